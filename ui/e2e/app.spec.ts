/** What only the app has: its own settings, questions, and views that it asks for. The app's side is played here. */

import { expect, test as base, Window as Shown } from './support'

/** The arguments of every command that is played. */
interface Asked {
  event: string
  handler: number
  settings: object
}

interface Played {
  asked: [command: string, args: Asked][]
  tell(event: string, payload: unknown): void
}

declare global {
  interface Window {
    played: Played
  }
}

/** Stands in for the app's commands and events, in the page. */
function play() {
  const callbacks = new Map<number, (message: unknown) => void>()
  const listeners = new Map<string, number>()
  const settings = { autostart: false, startHidden: true, notifications: true, theme: 'system' }
  let approvals = [{ id: 3, url: 'https://mcp.example/mcp', isNew: true, references: ['env:EXAMPLE_KEY'] }]
  const status = {
    version: '0.1.0',
    pid: 1,
    sessions: 2,
    secrets: { kind: 'ready' },
    http: { kind: 'off' },
    warnings: [],
    command: '/usr/bin/drawbridge',
    servers: [],
  }
  const played: Played = {
    asked: [],
    tell: (event, payload) => callbacks.get(listeners.get(event) ?? -1)?.({ event, id: 0, payload }),
  }
  const answers: Record<string, (args: Asked) => unknown> = {
    status: () => status,
    clients: () => ({ endpoint: { kind: 'off' }, clients: [] }),
    about: () => ({ version: '0.1.0', tray: false, logsFolder: '/home/ana/.local/state/drawbridge/logs' }),
    app_settings: () => ({ ...settings }),
    set_app_settings: (args) => Object.assign(settings, args.settings),
    approvals: () => approvals,
    answer_approval: () => {
      approvals = []
      queueMicrotask(() => played.tell('approvals-changed', approvals))
      return null
    },
    show_logs: () => null,
    'plugin:event|listen': (args) => listeners.set(args.event, args.handler) && 0,
    'plugin:event|unlisten': () => null,
  }
  let count = 0
  Object.assign(window, {
    played,
    __TAURI_EVENT_PLUGIN_INTERNALS__: { unregisterListener: () => undefined },
    __TAURI_INTERNALS__: {
      transformCallback: (callback: (message: unknown) => void) => {
        callbacks.set(++count, callback)
        return count
      },
      invoke: async (command: string, args: Asked) => {
        played.asked.push([command, args])
        const answer = answers[command]
        if (!answer) throw new Error(`nobody plays ${command}`)
        return answer(args)
      },
    },
  })
}

const test = base.extend<{ app: Shown }>({
  app: async ({ page, context, host }, use) => {
    await page.addInitScript(play)
    await page.goto(new URL('/', host.addresses.url).href)
    await use(new Shown(page, context))
  },
})

test('the app is set where it runs', async ({ app }) => {
  const { page } = app
  await app.open('Settings')
  await expect(page.getByText('no place for tray icons')).toBeVisible()
  await app.expectAccessible()
  await page.getByRole('switch', { name: 'Start when I log in' }).check()
  await page.getByRole('switch', { name: 'Then show no window' }).uncheck()
  await page.getByRole('switch', { name: 'Show notifications' }).uncheck()
  await page.getByRole('radio', { name: 'Dark' }).check({ force: true })
  await expect(page.getByRole('radio', { name: 'Dark' })).toBeChecked()
  await page.getByRole('button', { name: 'Open the folder of the logs' }).click()
  const asked = await page.evaluate(() => window.played.asked)
  const set = asked.filter(([command]) => command === 'set_app_settings').at(-1)
  const wanted = { autostart: true, startHidden: false, notifications: false, theme: 'dark' }
  expect(set?.[1]).toEqual({ settings: wanted })
  expect(asked.map(([command]) => command)).toContain('show_logs')
  await app.expectAccessible()
})

test('a question is told of, and answered with care', async ({ app }) => {
  const { page } = app
  await expect(page.getByText('A program asks for something')).toBeVisible()
  await app.expectAccessible()
  await page.getByRole('link', { name: 'Answer' }).click()
  await expect(app.heading('Questions')).toBeVisible()
  await expect(page.getByText('env:EXAMPLE_KEY')).toBeVisible()
  const allow = page.getByRole('button', { name: 'Allow', exact: true })
  const deny = page.getByRole('button', { name: 'Do not allow' })
  await expect(deny).toBeFocused()
  await app.expectAccessible()
  await expect(allow).toBeEnabled()
  await deny.click()
  await expect(page.getByText('Nothing waits for an answer.')).toBeVisible()
  const asked = await page.evaluate(() => window.played.asked)
  expect(asked.find(([command]) => command === 'answer_approval')?.[1]).toEqual({ id: 3, allow: false })
})

test('the tray and links lead to a view, and changes are told', async ({ app }) => {
  const { page } = app
  await expect(page.getByText('2 clients connected')).toBeVisible()
  await page.evaluate(() =>
    window.played.tell('navigate', '/add?name=linked&url=https%3A%2F%2Fx.example%2Fmcp'),
  )
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('linked')
  await page.evaluate(() => window.played.tell('navigate', '/settings'))
  await expect(app.heading('Settings')).toBeVisible()
})
