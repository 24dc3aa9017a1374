/** A line of Drawbridge's own command: `add NAME URL` or `connect URL`, with the server options. */

import { addressIn, found, type Found } from './found'
import {
  allowHttp,
  callbackHost,
  callbackPort,
  clientId,
  denyTool,
  header,
  leftOut,
  resource,
  scope,
  takeOptions,
  type Options,
  type Take,
} from './options'

/** What its arguments say; `null` where they name no address. */
export function ofDrawbridge(args: string[]): Found | null {
  const server = found('')
  const [verb, first = '', second = ''] = takeOptions(args, OPTIONS, server)
  server.url = addressIn(verb === 'add' ? second : first) ?? ''
  if (verb === 'add') server.name = first
  return server.url ? server : null
}

/** A value may be read from elsewhere, where the person alone can look. */
const ownHeader: Take = (server, text) => {
  const isTaken = header({})(server, text)
  const last = server.headers.at(-1)
  if (last && /^(-$|env:|file:)/.test(last.hint)) last.value = null
  return isTaken
}

const transport: Take = (server, which) => {
  if (which !== 'auto' && which !== 'http' && which !== 'sse') return false
  server.transport = which
  return true
}

const noResource: Take = (server) => {
  server.resource = 'omitted'
  return true
}

const OPTIONS: Options = {
  values: {
    '--header': ownHeader,
    '--transport': transport,
    '--client-id': clientId,
    '--scope': scope,
    '--resource': resource,
    '--callback-port': callbackPort,
    '--callback-host': callbackHost,
    '--deny-tool': denyTool,
    '--bearer': leftOut,
    '--client-secret': leftOut,
    '--private-key': leftOut,
    '--key-alg': leftOut,
    '--client-metadata-url': leftOut,
    '--grant': leftOut,
    '--assertion': leftOut,
    '--idp-issuer': leftOut,
    '--idp-token-endpoint': leftOut,
    '--idp-client-id': leftOut,
    '--idp-client-secret': leftOut,
    '--idp-id-token': leftOut,
    '--issuer': leftOut,
    '--sign-in': leftOut,
    '--ca': leftOut,
    '--client-cert': leftOut,
    '--proxy': leftOut,
    '--allow-tool': leftOut,
  },
  flags: {
    '--allow-http': allowHttp,
    '--no-resource': noResource,
    '--allow-private': leftOut,
    '--pin-tools': leftOut,
  },
}
