import { describe, expect, it } from 'vitest'
import { Announcer } from './announcer.svelte'
import { SignIns } from './signIns.svelte'
import { failure, FakeBackend, serverView } from './testing'
import type { AccountStateView, Failure } from '../backend/bindings'

function start() {
  const fake = new FakeBackend()
  const announcer = new Announcer()
  return { fake, announcer, signIns: new SignIns(fake.backend, announcer) }
}

/** A sign-in that ends when it is told to. */
function pending() {
  let end: (failed: Failure | null) => void = () => undefined
  const outcome = new Promise<Failure | null>((resolve) => (end = resolve))
  return { outcome, end }
}

describe('sign-ins', () => {
  it('are open until they end, each account for itself', async () => {
    const { fake, announcer, signIns } = start()
    const page = pending()
    fake.signIns = [page.outcome]
    const done = signIns.start('a', 'work')
    expect([signIns.isOpen('a', 'work'), signIns.isOpen('a', 'home')]).toEqual([true, false])
    expect(await signIns.start('a', 'work')).toBe(false)
    page.end(null)
    expect(await done).toBe(true)
    expect(signIns.isOpen('a', 'work')).toBe(false)
    expect(announcer.message).toBe('Signed in to a@work.')
  })

  it('that fail say why until the next one', async () => {
    const { fake, signIns } = start()
    fake.signIns = [failure('sign_in_failed'), null]
    expect(await signIns.start('a', 'work')).toBe(false)
    expect(signIns.failure('a', 'work')?.code).toBe('sign_in_failed')
    expect(await signIns.start('a', 'work')).toBe(true)
    expect(signIns.failure('a', 'work')).toBeNull()
  })

  it('that failed say nothing any more once somebody has signed in elsewhere', async () => {
    const { fake, signIns } = start()
    fake.signIns = [failure('sign_in_failed'), failure('timed_out')]
    await signIns.start('a', 'work')
    await signIns.start('a', 'home')
    const signedIn: AccountStateView = { kind: 'signedIn', expires: null, scopes: [], identity: null }
    const signedOut: AccountStateView = { kind: 'signedOut', why: '' }
    signIns.seen([serverView('a', { work: signedIn, home: signedOut })])
    signIns.seen([serverView('a', { work: signedOut, home: signedOut })])
    expect([signIns.failure('a', 'work'), signIns.failure('a', 'home')?.code]).toEqual([null, 'timed_out'])
  })

  it('that were called off are no failures', async () => {
    const { fake, signIns } = start()
    const page = pending()
    fake.signIns = [page.outcome]
    const done = signIns.start('a', 'work')
    await signIns.cancel('a', 'work')
    page.end(failure('sign_in_failed'))
    expect(await done).toBe(false)
    expect([signIns.failure('a', 'work'), fake.cancelled]).toEqual([null, ['a@work']])
  })
})

describe('the announcer', () => {
  it('says the same words twice', () => {
    const announcer = new Announcer()
    announcer.say('Copied')
    const first = announcer.message
    announcer.say('Copied')
    expect(announcer.message).not.toBe(first)
  })
})
