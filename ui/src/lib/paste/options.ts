/** Options on a command line, and how those that Drawbridge knows as well are taken over. */

import { foundHeader, withHeader, type Found } from './found'

/** Puts an option into a server; whether that could be done. */
export type Take = (server: Found, value: string) => boolean

/** The options of a command. */
export interface Options {
  /** Those that a value follows. */
  values: Record<string, Take>
  /** Those that stand alone. */
  flags: Record<string, Take>
}

/** Takes the options over, names in the server those that cannot be, and returns the other words. */
export function takeOptions(args: string[], { values, flags }: Options, server: Found): string[] {
  const plain: string[] = []
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? ''
    if (!/^-./.test(word)) {
      plain.push(word)
      continue
    }
    // What is joined to a name is its value, and may be a secret.
    const [, name = word, given] = /^(--[^=]+)=(.*)$/s.exec(word) ?? /^(-[^-])(.+)$/s.exec(word) ?? []
    const take = Object.hasOwn(values, name) ? values[name] : undefined
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined
    const isTaken = take ? take(server, given ?? args[++at] ?? '') : (flag?.(server, '') ?? false)
    if (!isTaken && !server.leftOut.includes(name)) server.leftOut.push(name)
  }
  return plain
}

/** An option that Drawbridge needs no equal of. */
export const needless: Take = () => true

/** One that a person has to see to. */
export const leftOut: Take = () => false

export const allowHttp: Take = (server) => {
  server.allowHttp = true
  return true
}

export const header =
  (environment: Record<string, string>): Take =>
  (server, text) => {
    const colon = text.indexOf(':')
    if (colon <= 0) return false
    const one = foundHeader(text.slice(0, colon), text.slice(colon + 1), environment)
    server.headers = withHeader(server.headers, one)
    return true
  }

export const clientId: Take = (server, id) => {
  server.clientId = id || null
  return id !== ''
}

export const scope: Take = (server, scope) => {
  server.scope = scope || null
  return scope !== ''
}

export const resource: Take = (server, uri) => {
  server.resource = uri ? { given: uri } : null
  return uri !== ''
}

export const callbackPort: Take = (server, text) => {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) return false
  server.callbackPort = port
  return true
}

export const callbackHost: Take = (server, host) => {
  if (host !== '127.0.0.1' && host !== 'localhost') return false
  server.callbackHost = host
  return true
}

export const denyTool: Take = (server, glob) => {
  if (!/^\S+$/.test(glob)) return false
  server.denyTools.push(glob)
  return true
}
