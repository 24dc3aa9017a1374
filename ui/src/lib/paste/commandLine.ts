/** Commands that people copy from a server's instructions: `npx mcp-remote …` and its kin. */

import { ofDrawbridge } from './drawbridge'
import { addressIn, found, type Found, type Pasted } from './found'
import { ofMcpRemote } from './mcpRemote'
import { callbackPort, clientId, header, needless, takeOptions, type Options, type Take } from './options'

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
  if (program === 'drawbridge') return ofServer(ofDrawbridge(args))
  if (program === 'cmd') return ofCommand(args[1] ?? '', args.slice(2), environment)
  const at = args.findIndex((word) => /^(@\w+\/)?mcp-remote(@.*)?$/.test(word))
  if (program === 'mcp-remote') return ofServer(ofMcpRemote(args, environment))
  if (at >= 0) return ofServer(ofMcpRemote(args.slice(at + 1), environment))
  if (/^(npx|uvx|node|python3?|docker|deno|bunx?|pipx|uv)$/.test(program)) {
    return { kind: 'problem', problem: 'local' }
  }
  return null
}

/** `claude mcp add [--transport http] NAME URL [--header …]`, or a command behind `--`. */
function ofClaude(args: string[], environment: Environment): Pasted | null {
  const behind = args.indexOf('--')
  const server = found('')
  const own = behind < 0 ? args : args.slice(0, behind)
  const plain = takeOptions(own, optionsOfClaude(environment), server)
  const [name, address] = plain
  const url = addressIn(address ?? '')
  if (name && url) return ofServer({ ...server, name, url })
  const inner = behind < 0 ? plain.slice(1) : args.slice(behind + 1)
  const pasted = inner[0] ? ofCommand(inner[0], inner.slice(1), environment) : null
  return pasted?.kind === 'found' && name ? ofServer({ ...pasted.servers[0], name }) : pasted
}

const optionsOfClaude = (environment: Environment): Options => ({
  values: {
    '--header': header(environment),
    '-H': header(environment),
    '--transport': transportOfClaude,
    '-t': transportOfClaude,
    '--client-id': clientId,
    '--callback-port': callbackPort,
    '--scope': needless,
    '-s': needless,
    '--env': needless,
    '-e': needless,
  },
  flags: {},
})

const transportOfClaude: Take = (server, which) => {
  if (which === 'sse') server.transport = 'sse'
  return true
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
