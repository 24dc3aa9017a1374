/** Node, with the pages' code as a browser gets it: effects run. */
export default {
  name: 'browser-code',
  viteEnvironment: 'client',
  setup: () => ({ teardown: () => undefined }),
}
