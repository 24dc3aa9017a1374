/** Servers for tests. */

import type { ServerView } from './bindings'

/** One of which nothing special is known. */
export function server(name: string, more: Partial<ServerView> = {}): ServerView {
  return {
    name,
    url: `https://${name}.example/mcp`,
    transport: 'auto',
    class: 'public',
    signIn: 'window',
    headers: [],
    bearer: false,
    oauth: {
      grant: 'code',
      assertion: 'none',
      idp: { issuer: null, tokenEndpoint: null, clientId: null, hasClientSecret: false, idToken: 'none' },
      clientId: null,
      hasClientSecret: false,
      hasPrivateKey: false,
      keyAlg: null,
      clientMetadataUrl: null,
      scope: null,
      resource: null,
      issuer: null,
      callbackPort: null,
      callbackHost: '127.0.0.1',
    },
    allowHttp: false,
    allowPrivate: false,
    ca: null,
    clientCert: null,
    proxy: null,
    tools: { pinned: false },
    defaultAccount: 'default',
    reach: { kind: 'reached' },
    accounts: [],
    ...more,
  }
}
