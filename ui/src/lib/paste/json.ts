/** JSON as it stands in the settings of MCP clients, whole or cut out of them. */

import { ofCommand } from './commandLine'
import { addressIn, found, foundHeader, withHeader, type Found, type Pasted, type Problem } from './found'

type Fields = Record<string, unknown>

/** Where clients keep their servers. */
const LISTS = ['mcpServers', 'servers', 'context_servers', 'mcp_servers']

/** What a JSON text says. */
export function ofJson(text: string): Pasted {
  const value = read(text)
  if (value === undefined) return { kind: 'problem', problem: 'broken' }
  const servers: Found[] = []
  let problem: Problem = 'unknown'
  for (const [name, entry] of entries(value)) {
    const pasted = ofEntry(name, entry)
    if (pasted?.kind === 'found') servers.push(...pasted.servers)
    else if (pasted?.kind === 'problem') problem = pasted.problem
  }
  const [first, ...more] = servers
  return first ? { kind: 'found', servers: [first, ...more] } : { kind: 'problem', problem }
}

/** Every server's entry, with the name it stands under. */
function entries(value: unknown): [string | null, Fields][] {
  if (!isFields(value)) return []
  const list = LISTS.map((name) => value[name]).find(isFields) ?? (isFields(value.mcp) ? value.mcp : null)
  if (list) return isEntry(list) ? [[null, list]] : entries(list)
  if (isEntry(value)) return [[textOf(value.name), value]]
  return Object.entries(value).filter((pair): pair is [string, Fields] => isFields(pair[1]))
}

function isEntry(value: Fields): boolean {
  return ['url', 'serverUrl', 'httpUrl', 'command'].some((name) => typeof value[name] === 'string')
}

function ofEntry(name: string | null, entry: Fields): Pasted | null {
  const environment = strings(entry.env)
  const address = textOf(entry.url) ?? textOf(entry.serverUrl) ?? textOf(entry.httpUrl)
  const url = address ? addressIn(address) : null
  if (url) {
    const headers = Object.entries(strings(entry.headers ?? entry.http_headers))
    const transport = entry.type === 'sse' || entry.transport === 'sse' ? 'sse' : 'auto'
    const server = found(url, {
      name,
      transport,
      headers: headers.map(([header, text]) => foundHeader(header, text, environment)).reduce(withHeader, []),
    })
    return { kind: 'found', servers: [server] }
  }
  const command = textOf(entry.command)
  if (!command) return null
  const args = Array.isArray(entry.args) ? entry.args.filter((word) => typeof word === 'string') : []
  const pasted = ofCommand(command, args, environment) ?? { kind: 'problem', problem: 'local' as const }
  if (pasted.kind !== 'found' || !name) return pasted
  return { kind: 'found', servers: [{ ...pasted.servers[0], name }] }
}

/** Reads JSON as people paste it: with comments, trailing commas, or without its outer braces. */
function read(text: string): unknown {
  const plain = withoutComments(text)
    .trim()
    .replace(/,(\s*[}\]])/g, '$1')
    .replace(/,$/, '')
  for (const candidate of [plain, `{${plain}}`, plain.replace(/[}\]\s]+$/, '}')]) {
    try {
      return JSON.parse(candidate) as unknown
    } catch {
      continue
    }
  }
  return undefined
}

function withoutComments(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (part) => {
    return part.startsWith('"') ? part : ''
  })
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function strings(value: unknown): Record<string, string> {
  if (!isFields(value)) return {}
  return Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  )
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value.trim() ? value.trim() : null
}
