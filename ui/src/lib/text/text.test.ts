import { expect, it } from 'vitest'
import { en } from './en'

const sources = import.meta.glob<string>(['../../**/*.{svelte,ts}', '!../../**/*.test.ts', '!./*.ts'], {
  query: '?raw',
  import: 'default',
  eager: true,
})

/** The path of every text, as in `servers.title`. */
function paths(of: object, before = ''): string[] {
  return Object.entries(of).flatMap(([name, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null ? paths(value, `${before}${name}.`) : [before + name],
  )
}

/** What a source names of the catalogue, by whatever name it has it there; a part stands for all in it. */
function named(source: string): string[] {
  let read = source.replace(/import \{ text as (\w+) \}.*/g, 'const $1 = text.')
  for (const [line, alias = '', part = ''] of read.matchAll(/const (\w+) = text\.([\w.]*)$/gm)) {
    const whole = part ? `text.${part}.` : 'text.'
    read = read.replace(line, '').replace(new RegExp(`(?<![\\w.])${alias}\\.`, 'g'), whole)
  }
  return [...read.matchAll(/(?<![\w.])text\.([\w.]+)/g)].map(([, path = '']) => path)
}

it('every text of the catalogue is used', () => {
  const used = [...new Set(Object.values(sources).flatMap(named))]
  const isUsed = (path: string) => used.some((part) => path === part || path.startsWith(`${part}.`))
  expect(used.length).toBeGreaterThan(100)
  expect(paths(en).filter((path) => !isUsed(path))).toEqual([])
})
