/** What has to stand in a client's settings so that it starts Drawbridge. */

/** Which kind of settings. */
export type EntryKind = 'json' | 'code' | 'vscode'

/** The text to copy; `target` is `name` or `name@account`. */
export function entryText(kind: EntryKind, command: string, target: string): string {
  const name = target.replace('@', '-')
  const start = { command, args: ['connect', target] }
  switch (kind) {
    case 'json':
      return readable({ mcpServers: { [name]: start } })
    case 'vscode':
      return readable({ servers: { [name]: { type: 'stdio', ...start } } })
    case 'code':
      return `claude mcp add ${name} -- ${quoted(command)} connect ${target}`
  }
}

/** JSON as people write it: short lists on one line. */
function readable(value: unknown): string {
  const lines = JSON.stringify(value, null, 2)
  return lines.replace(
    /\[\n\s*([^[\]{}]*?)\n\s*\]/g,
    (_, items: string) => `[${items.replace(/\n\s*/g, ' ')}]`,
  )
}

/** A word as a shell takes it whole. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
