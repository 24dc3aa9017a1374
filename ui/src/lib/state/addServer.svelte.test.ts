import { describe, expect, it } from 'vitest'
import { AddServer } from './addServer.svelte'
import { Announcer } from './announcer.svelte'
import { HostState } from './host.svelte'
import { SignIns } from './signIns.svelte'
import { failure, FakeBackend, serverView } from './testing'

function start(fake = new FakeBackend()) {
  const host = new HostState(fake.backend)
  host.start()
  const signIns = new SignIns(fake.backend, new Announcer())
  return { fake, adding: new AddServer(fake.backend, host, signIns) }
}

describe('adding a server', () => {
  it('takes name and address from what was pasted', async () => {
    const { fake, adding } = start()
    adding.paste('claude mcp add tickets https://mcp.tickets.example/mcp')
    expect([adding.name, adding.canAdd]).toEqual(['tickets', true])
    await adding.add()
    expect(fake.added).toEqual([{ name: 'tickets', url: 'https://mcp.tickets.example/mcp', options: {} }])
    expect(adding.stage).toMatchObject({ kind: 'ready', server: 'tickets', probe: { tools: 3 } })
  })

  it('takes an https address from a link, and nothing that stands beside it', () => {
    const { adding } = start()
    adding.take({
      name: null,
      url: 'https://h.example/mcp-remote http://evil.example/mcp --allow-http --header X-A:1',
    })
    expect([adding.server?.url, adding.server?.headers, adding.server?.allowHttp]).toEqual([
      'https://h.example/mcp-remote%20http://evil.example/mcp%20--allow-http%20--header%20X-A:1',
      [],
      false,
    ])
    adding.paste('')
    for (const url of [
      'http://evil.example/mcp',
      '{"mcpServers":{}}',
      'drawbridge add x https://h.example/mcp',
    ]) {
      adding.take({ name: null, url })
      expect(adding.pasted).toBe('')
    }
  })

  it('keeps the name that somebody typed, and refuses one that is taken', () => {
    const fake = new FakeBackend()
    fake.servers = [serverView('tickets')]
    const { adding } = start(fake)
    adding.paste('https://tickets.example/mcp')
    expect(adding.name).toBe('tickets-2')
    adding.typedName = 'tickets'
    expect([adding.isNameTaken, adding.canAdd]).toEqual([true, false])
    adding.typedName = 'mine'
    adding.paste('https://tickets.example/other')
    expect([adding.name, adding.canAdd]).toEqual(['mine', true])
  })

  it('waits for values that the snippet leaves open, and sends a bearer token as one', async () => {
    const { fake, adding } = start()
    adding.paste(
      'npx mcp-remote https://x.example --header "Authorization: Bearer ${T}" --header "X-Team: blue"',
    )
    expect(adding.canAdd).toBe(false)
    adding.values.Authorization = ' Bearer tok_1 '
    expect(adding.canAdd).toBe(true)
    await adding.add()
    expect(fake.added[0]?.options).toEqual({
      bearer: { value: 'tok_1' },
      headers: [{ name: 'X-Team', value: 'blue' }],
    })
  })

  it('sends the secret of the client that somebody typed, and forgets it', async () => {
    const { fake, adding } = start()
    adding.paste('https://x.example/mcp')
    adding.clientSecret = 'left over'
    expect(adding.mayHaveSecret).toBe(false)
    adding.clientId = 'me'
    expect(adding.mayHaveSecret).toBe(true)
    adding.clientSecret = ' s3cret '
    await adding.add()
    expect(adding.clientSecret).toBe('')
    expect(fake.added[0]?.options).toEqual({ clientId: 'me', clientSecret: { value: 's3cret' } })
  })

  it('keeps what was typed for a server, and for no other one', () => {
    const { adding } = start()
    adding.paste('https://x.example/mcp')
    adding.clientId = 'me'
    adding.clientSecret = 's3cret'
    adding.key = 'k'
    adding.paste('https://x.example/mcp?more')
    expect([adding.clientId, adding.clientSecret, adding.key]).toEqual(['me', 's3cret', 'k'])
    adding.paste('https://y.example/mcp')
    expect([adding.clientId, adding.clientSecret, adding.key]).toEqual(['', '', ''])
  })

  it('sends the secret of a snippet with the client of the snippet alone', async () => {
    const { fake, adding } = start()
    const info = '{"client_id":"theirs","client_secret":"s"}'
    adding.paste(`npx mcp-remote https://x.example --static-oauth-client-info '${info}'`)
    expect(adding.mayHaveSecret).toBe(false)
    await adding.add()
    expect(fake.added[0]?.options).toEqual({ clientId: 'theirs', clientSecret: { value: 's' } })
    adding.typedName = 'other'
    adding.clientId = 'mine'
    await adding.add()
    expect(fake.added[1]?.options).toEqual({ clientId: 'mine' })
  })

  it('asks for the secret of a client of the snippet that came without', () => {
    const { adding } = start()
    adding.paste('drawbridge add x https://x.example --client-id me --client-secret env:SECRET')
    expect(adding.mayHaveSecret).toBe(true)
  })

  it('sends what the snippet says about the sign-in and the tools', async () => {
    const { fake, adding } = start()
    adding.paste('npx mcp-remote https://x.example 3334 --host localhost --resource urn:r --ignore-tool drop')
    await adding.add()
    expect(fake.added[0]?.options).toEqual({
      callbackPort: 3334,
      callbackHost: 'localhost',
      resource: { given: 'urn:r' },
      denyTools: ['drop'],
    })
  })

  it('asks before it uses an address that is not encrypted', async () => {
    const { fake, adding } = start()
    adding.paste('http://x.example/mcp')
    expect([adding.isInsecure, adding.canAdd]).toEqual([true, false])
    adding.allowHttp = true
    await adding.add()
    expect(fake.added[0]?.options).toEqual({ allowHttp: true })
    adding.paste('http://localhost:1/mcp')
    expect(adding.isInsecure).toBe(false)
  })

  it('leads over the sign-in to a server that is ready', async () => {
    const { fake, adding } = start()
    fake.probes = [failure('signed_out'), null]
    fake.signIns = [failure('sign_in_failed'), null]
    adding.paste('https://x.example/mcp')
    await adding.add()
    expect(adding.stage).toEqual({ kind: 'signIn', server: 'x' })
    await adding.signIn()
    expect(adding.stage.kind).toBe('signIn')
    await adding.signIn()
    expect(adding.stage).toMatchObject({ kind: 'ready', probe: { server: 'Tickets' } })
  })

  it('can leave the sign-in for later', async () => {
    const { fake, adding } = start()
    fake.probes = [failure('signed_out')]
    adding.paste('https://x.example/mcp')
    await adding.add()
    adding.goOn()
    expect(adding.stage).toEqual({ kind: 'later', server: 'x' })
  })

  it('can keep a server that does not answer, and says so still', async () => {
    const { fake, adding } = start()
    fake.probes = [failure('unreachable')]
    adding.paste('https://x.example/mcp')
    await adding.add()
    adding.goOn()
    expect(adding.stage).toEqual({ kind: 'kept', server: 'x', failure: failure('unreachable') })
    expect(fake.removed).toEqual([])
  })

  it('takes back a server that does not answer, or looks again', async () => {
    const { fake, adding } = start()
    fake.probes = [failure('unreachable'), failure('not_mcp')]
    adding.paste('https://x.example/mcp')
    await adding.add()
    await adding.lookAgain()
    expect(adding.stage).toEqual({ kind: 'failed', server: 'x', failure: failure('not_mcp') })
    await adding.takeBack()
    expect([fake.removed, adding.stage.kind, adding.pasted]).toEqual([
      ['x'],
      'address',
      'https://x.example/mcp',
    ])
  })
})
