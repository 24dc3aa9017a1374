/** A line of `mcp-remote`: its address, the port behind it, and its options. */

import { addressIn, found, type Found } from './found'
import {
  allowHttp,
  callbackHost,
  callbackPort,
  denyTool,
  header,
  leftOut,
  needless,
  resource,
  takeOptions,
  type Options,
  type Take,
} from './options'

/** What its arguments say; `null` where they name no address. */
export function ofMcpRemote(args: string[], environment: Record<string, string>): Found | null {
  const server = found('')
  const plain = takeOptions(args, optionsWith(environment), server)
  const at = plain.findIndex((word) => addressIn(word) !== null)
  server.url = addressIn(plain[at] ?? '') ?? ''
  callbackPort(server, plain[at + 1] ?? '')
  return server.url ? server : null
}

const optionsWith = (environment: Record<string, string>): Options => ({
  values: {
    '--header': header(environment),
    '-H': header(environment),
    '--transport': transport,
    '--static-oauth-client-info': clientInfo,
    '--static-oauth-client-metadata': clientMetadata,
    '--host': callbackHost,
    '--resource': resource,
    '--ignore-tool': denyTool,
    '--auth-timeout': leftOut,
  },
  flags: {
    '--allow-http': allowHttp,
    '--debug': needless,
    '--silent': needless,
    '--enable-proxy': needless,
  },
})

const transport: Take = (server, which) => {
  if (which === 'sse-only') server.transport = 'sse'
  else if (which === 'http-only') server.transport = 'http'
  return /^(http|sse)-(only|first)$/.test(which)
}

/** The client as JSON. One that lies in a file cannot be read from here. */
const clientInfo: Take = (server, text) => {
  const info = object(text)
  server.clientId = textOf(info.client_id)
  server.clientSecret = textOf(info.client_secret)
  return server.clientId !== null
}

const clientMetadata: Take = (server, text) => {
  server.scope = textOf(object(text).scope)
  return server.scope !== null
}

function object(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value ? value : null
}
