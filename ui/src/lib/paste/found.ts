/** What a pasted text turned out to say. */

import type { CallbackHost, ResourceOption } from '../backend/bindings'

/** Why nothing can be made of a text. */
export type Problem =
  /** It names a program that runs on this computer. */
  | 'local'
  /** It looks like JSON and is none. */
  | 'broken'
  /** Neither an address nor a snippet. */
  | 'unknown'

/** A header of a found server. */
export interface FoundHeader {
  name: string
  /** Its value; `null` where the snippet leaves it to the person. */
  value: string | null
  /** What the snippet says in place of the value. */
  hint: string
}

/** A remote server that a text names. */
export interface Found {
  /** What the text calls it. */
  name: string | null
  url: string
  headers: FoundHeader[]
  transport: 'auto' | 'http' | 'sse'
  allowHttp: boolean
  clientId: string | null
  clientSecret: string | null
  scope: string | null
  /** What the sign-in names as its resource; `null` leaves it to the server. */
  resource: ResourceOption | null
  callbackPort: number | null
  callbackHost: CallbackHost | null
  /** Tools to hide, as patterns. */
  denyTools: string[]
  /** Options in the text that somebody has to see to. */
  leftOut: string[]
}

/** What a text says. */
export type Pasted =
  | { kind: 'nothing' }
  | { kind: 'problem'; problem: Problem }
  | { kind: 'found'; servers: [Found, ...Found[]] }

/** A server of which only the address is known. */
export function found(url: string, more: Partial<Found> = {}): Found {
  return {
    name: null,
    url,
    headers: [],
    transport: 'auto',
    allowHttp: false,
    clientId: null,
    clientSecret: null,
    scope: null,
    resource: null,
    callbackPort: null,
    callbackHost: null,
    denyTools: [],
    leftOut: [],
    ...more,
  }
}

/** A header, with what the snippet's own environment says filled in. */
export function foundHeader(name: string, text: string, environment: Record<string, string>): FoundHeader {
  const value = text.trim().replace(/\$\{(?:env:)?(\w+)\}/g, (whole, variable: string) => {
    return environment[variable] ?? whole
  })
  return { name: name.trim(), value: isLeftOpen(value) ? null : value, hint: value }
}

/** Headers with one more; of one name, however it is written, the last counts. */
export function withHeader(headers: FoundHeader[], header: FoundHeader): FoundHeader[] {
  const name = header.name.toLowerCase()
  return [...headers.filter((other) => other.name.toLowerCase() !== name), header]
}

/** Whether a person is meant to put something in its place. */
function isLeftOpen(value: string): boolean {
  return (
    value === '' ||
    /\$\{[^}]*\}|<[^>]+>|\{\{[^}]+\}\}|\[[^\]]*(token|key|secret)[^\]]*\]/i.test(value) ||
    /\b(your|my|insert|replace)[-_ ]?\w*[-_ ]?(token|key|secret|here)\b|\bxxx+\b|\.\.\.$|…$/i.test(value)
  )
}

/** The address that a text spells, with `https://` where it has no scheme. */
export function addressIn(text: string): string | null {
  const trimmed = text.trim().replace(/^<|>$/g, '')
  if (/\s/.test(trimmed)) return null
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : withScheme(trimmed)
  if (!whole) return null
  try {
    const url = new URL(whole)
    return /^https?:$/.test(url.protocol) && url.hostname ? url.href : null
  } catch {
    return null
  }
}

/** The https address that a text is, whole and escaped; `null` where it is none. */
export function secureAddressIn(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null
  return url?.protocol === 'https:' ? url.href : null
}

function withScheme(text: string): string | null {
  if (/^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(\/|$)/i.test(text)) return `http://${text}`
  return /^[\w-]+(\.[\w-]+)+(:\d+)?(\/\S*)?$/.test(text) ? `https://${text}` : null
}

/** Whether others on the network could read along. */
export function isInsecure(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
}

/** Whose an address is: its scheme, host and port. */
export function originOf(url: string): string {
  return new URL(url).origin
}
