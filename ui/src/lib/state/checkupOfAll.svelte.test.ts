import { describe, expect, it } from 'vitest'
import type { Checkup, CheckView } from '../backend/bindings'
import { CheckupOfAll } from './checkupOfAll.svelte'
import { FakeBackend, failure } from './testing'

const done: CheckView = { name: 'server', outcome: { kind: 'done', note: null } }
const wrong = (code: 'signed_out' | 'keychain'): CheckView => ({
  name: 'token',
  outcome: { kind: 'wrong', failure: failure(code) },
})

function start(...found: FakeBackend['checkupsOfAll']) {
  const fake = new FakeBackend()
  fake.checkupsOfAll = found
  return new CheckupOfAll(fake.backend)
}

describe('a look at everything', () => {
  it('tells all that is wrong, and of what', async () => {
    const found: Checkup = {
      host: [done, wrong('keychain'), wrong('keychain')],
      servers: [{ server: 'tickets', account: 'default', checks: [done, wrong('signed_out')] }],
    }
    const checkup = start(found)
    expect(checkup.found).toBeNull()
    await checkup.walk()
    expect(checkup.wrong.map(({ code }) => code)).toEqual(['keychain', 'keychain', 'signed_out'])
    expect(checkup.found?.map(({ name, server, wrong }) => [name, server, wrong.length])).toEqual([
      ['Drawbridge', null, 2],
      ['tickets', 'tickets', 1],
    ])
  })

  it('names the account where a server has several', async () => {
    const account = (server: string, account: string) => ({ server, account, checks: [done] })
    const checkup = start({
      host: [done],
      servers: [account('tickets', 'work'), account('tickets', 'home'), account('open', 'default')],
    })
    await checkup.walk()
    expect(checkup.wrong).toEqual([])
    const names = checkup.found?.map(({ name }) => name)
    expect(names).toEqual(['Drawbridge', 'tickets@work', 'tickets@home', 'open'])
  })

  it('shows nothing old where it cannot be begun', async () => {
    const checkup = start({ host: [done], servers: [] }, failure('host_gone'))
    await checkup.walk()
    await checkup.walk()
    expect(checkup.found).toBeNull()
    expect(checkup.walking.failure).toEqual(failure('host_gone'))
  })
})
