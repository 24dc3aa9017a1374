import { describe, expect, it } from 'vitest'
import { jsonLines } from './backend/lines'
import { entryText } from './entry'
import { hashOf, placeOf, type Place } from './place'
import { ago, fromNow } from './time'
import { digestOf, newToken } from './token'

describe('the entry of a client', () => {
  it('is written as people write it', () => {
    expect(entryText('json', '/usr/bin/drawbridge', 'a')).toBe(`{
  "mcpServers": {
    "a": {
      "command": "/usr/bin/drawbridge",
      "args": ["connect", "a"]
    }
  }
}`)
  })

  it('holds the whole path, and the account where one is named', () => {
    expect(JSON.parse(entryText('json', '/opt/d b/drawbridge', 'a@work'))).toEqual({
      mcpServers: { 'a-work': { command: '/opt/d b/drawbridge', args: ['connect', 'a@work'] } },
    })
    expect(entryText('code', "/opt/d b's/drawbridge", 'a')).toBe(
      "claude mcp add a -- '/opt/d b'\\''s/drawbridge' connect a",
    )
    expect(JSON.parse(entryText('vscode', 'C:\\drawbridge.exe', 'a')).servers.a.type).toBe('stdio')
  })
})

describe('places', () => {
  const all: Place[] = [
    { view: 'servers' },
    { view: 'server', name: 'a.b' },
    { view: 'server', name: 'a/b%' },
    { view: 'add', name: null, url: null },
    { view: 'add', name: 'x', url: 'https://x.example/a?b=c&d' },
    { view: 'settings' },
    { view: 'approvals' },
  ]
  it.each(all)('%j is found again', (place) => expect(placeOf(hashOf(place))).toEqual(place))

  it('that nobody knows are the servers', () => {
    for (const hash of ['', '#', '#/nowhere', '#/servers/', '#/servers/a/b']) {
      expect(placeOf(hash)).toEqual({ view: 'servers' })
    }
    expect(placeOf('#/servers/%')).toEqual({ view: 'server', name: '%' })
  })
})

describe('times', () => {
  it.each([
    [-30, 'now'],
    [-90, '1 minute ago'],
    [-7200, '2 hours ago'],
    [-86_400, 'yesterday'],
    [30, 'in 1 minute'],
    [299, 'in 4 minutes'],
  ])('%i s', (distance, words) => expect(fromNow(1_000_000 + distance, 1_000_000)).toBe(words))
})

it('what has happened does not lie ahead', () => {
  expect([ago(120, 100), ago(0, 7200)]).toEqual(['just now', '2 hours ago'])
})

describe('tokens', () => {
  it('have the digest that the Host reckons', async () => {
    expect(await digestOf('abc')).toBe('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0')
    const { token, digest } = await newToken()
    expect(token).toMatch(/^dbl_[\w-]{43}$/)
    expect(digest).toBe(await digestOf(token))
  })
})

it('lines are read as they come, wherever they are cut', async () => {
  const bytes = new TextEncoder().encode('{"a":"ä"}\n\n{"b":1}\n{"cut')
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(new Uint8Array([byte]))
      controller.close()
    },
  })
  const values = []
  for await (const value of jsonLines(new Response(body))) values.push(value)
  expect(values).toEqual([{ a: 'ä' }, { b: 1 }])
})
