/** Commands that people copy from a server's instructions: `npx mcp-remote …` and its kin. */

import { addressIn, found, foundHeader, withHeader, type Found, type Pasted } from './found'

type Environment = Record<string, string>

/** What a command line says; `null` where it is none that we know. */
export function ofCommandLine(line: string): Pasted | null {
  const [command, ...rest] = withoutAssignments(words(line.replace(/\\\r?\n/g, ' ')))
  return command === undefined ? null : ofCommand(command, rest, {})
}

/** What a command and its arguments say. */
export function ofCommand(command: string, args: string[], environment: Environment): Pasted | null {
  const program =
    command
      .split(/[\\/]/)
      .pop()
      ?.replace(/\.(exe|cmd)$/i, '') ?? ''
  if (program === 'claude' && args[0] === 'mcp') return ofClaude(args.slice(2), environment)
  if (program === 'drawbridge') return ofDrawbridge(args)
  if (program === 'cmd') return ofCommand(args[1] ?? '', args.slice(2), environment)
  const at = args.findIndex((word) => /^(@\w+\/)?mcp-remote(@.*)?$/.test(word))
  if (program === 'mcp-remote') return ofServer(remote(args, environment))
  if (at >= 0) return ofServer(remote(args.slice(at + 1), environment))
  if (/^(npx|uvx|node|python3?|docker|deno|bunx?|pipx|uv)$/.test(program)) {
    return { kind: 'problem', problem: 'local' }
  }
  return null
}

/** The options of `mcp-remote`. */
function remote(args: string[], environment: Environment): Found | null {
  const server = found('')
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? ''
    const value = args[at + 1] ?? ''
    if (word === '--header' || word === '-H') at = takeHeader(server, args, at, environment)
    else if (word === '--transport') {
      if (/^(http|sse)-only$/.test(value)) server.transport = value === 'sse-only' ? 'sse' : 'http'
      at++
    } else if (word === '--allow-http') server.allowHttp = true
    else if (word === '--static-oauth-client-info') {
      const info = object(value)
      server.clientId = textOf(info.client_id)
      server.clientSecret = textOf(info.client_secret)
      at++
    } else if (word === '--static-oauth-client-metadata') {
      server.scope = textOf(object(value).scope)
      at++
    } else if (/^--(host|resource|auth-timeout|ignore-tool)$/.test(word)) at++
    else if (!server.url && !word.startsWith('-')) server.url = addressIn(word) ?? ''
  }
  return server.url ? server : null
}

/** `claude mcp add [--transport http] NAME URL [--header …]`, or a command behind `--`. */
function ofClaude(args: string[], environment: Environment): Pasted | null {
  const behind = args.indexOf('--')
  const own = behind < 0 ? args : args.slice(0, behind)
  const plain: string[] = []
  const server = found('')
  for (let at = 0; at < own.length; at++) {
    const word = own[at] ?? ''
    if (word === '--header' || word === '-H') at = takeHeader(server, own, at, environment)
    else if (word === '--transport' || word === '-t') {
      if (own[at + 1] === 'sse') server.transport = 'sse'
      at++
    } else if (/^(--scope|-s|--env|-e)$/.test(word)) at++
    else if (!word.startsWith('-')) plain.push(word)
  }
  const [name, address] = plain
  const url = addressIn(address ?? '')
  if (name && url) return ofServer({ ...server, name, url })
  const inner = behind < 0 ? plain.slice(1) : args.slice(behind + 1)
  const pasted = inner[0] ? ofCommand(inner[0], inner.slice(1), environment) : null
  return pasted?.kind === 'found' && name ? ofServer({ ...pasted.servers[0], name }) : pasted
}

function ofDrawbridge(args: string[]): Pasted | null {
  const [verb, first, second] = args.filter((word) => !word.startsWith('-'))
  const url = addressIn((verb === 'add' ? second : first) ?? '')
  return url ? ofServer(found(url, { name: verb === 'add' ? (first ?? null) : null })) : null
}

function takeHeader(server: Found, args: string[], at: number, environment: Environment): number {
  const text = args[at + 1] ?? ''
  const colon = text.indexOf(':')
  if (colon > 0) {
    const header = foundHeader(text.slice(0, colon), text.slice(colon + 1), environment)
    server.headers = withHeader(server.headers, header)
  }
  return at + 1
}

function ofServer(server: Found | null): Pasted | null {
  return server ? { kind: 'found', servers: [server] } : null
}

/** A line as a shell would split it. */
export function words(line: string): string[] {
  const all: string[] = []
  let word: string | null = null
  let quote = ''
  for (const letter of line) {
    if (quote) {
      if (letter === quote) quote = ''
      else word += letter
    } else if (letter === '"' || letter === "'") {
      quote = letter
      word ??= ''
    } else if (/\s/.test(letter)) {
      if (word !== null) all.push(word)
      word = null
    } else word = (word ?? '') + letter
  }
  if (word !== null) all.push(word)
  return all
}

function withoutAssignments(all: string[]): string[] {
  const first = all.findIndex((word) => !/^(\$|[A-Z_]+=.*)$/.test(word))
  return first < 0 ? [] : all.slice(first)
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
