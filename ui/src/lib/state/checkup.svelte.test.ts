import { describe, expect, it } from 'vitest'
import type { CheckView } from '../backend/bindings'
import { CheckupState } from './checkup.svelte'
import { FakeBackend, failure } from './testing'

const done: CheckView = { name: 'server', outcome: { kind: 'done', note: null } }
const wrong: CheckView = { name: 'token', outcome: { kind: 'wrong', failure: failure('signed_out') } }

describe('a walk', () => {
  it('tells the first thing that is wrong', async () => {
    const fake = new FakeBackend()
    fake.checkups = [[done, wrong], [done]]
    const checkup = new CheckupState(fake.backend, 'tickets')
    expect(checkup.checks).toBeNull()
    await checkup.walk('default')
    expect(checkup.wrong).toEqual(failure('signed_out'))
    await checkup.walk('default')
    expect(checkup.wrong).toBeNull()
    expect(checkup.checks).toEqual([done])
  })

  it('shows nothing old where it cannot be begun', async () => {
    const fake = new FakeBackend()
    fake.checkups = [[done], failure('host_gone')]
    const checkup = new CheckupState(fake.backend, 'tickets')
    await checkup.walk('default')
    await checkup.walk('default')
    expect(checkup.checks).toBeNull()
    expect(checkup.walking.failure).toEqual(failure('host_gone'))
  })
})
