import { describe, expect, it } from 'vitest'
import type { AccountStateView } from './backend/bindings'
import { failure, serverView } from './state/testing'
import { hostOf, noted, ofAccount, ofServer, sentence } from './words'

const signedIn: AccountStateView = { kind: 'signedIn', expires: null, scopes: [], identity: 'ana@x.example' }

function of(state: AccountStateView, more = {}) {
  const server = { ...serverView('a', { default: state }), ...more }
  const { tone, word, detail, step } = ofAccount(server, { label: 'default', state })
  return [tone, word, detail, step]
}

describe('how an account stands', () => {
  const away = { reach: { kind: 'failed', failure: failure('unreachable'), since: 1 } }
  it.each([
    [of(signedIn), ['good', 'Signed in', 'ana@x.example', 'none']],
    [
      of({ kind: 'signedOut', why: 'you have signed out' }),
      ['wants', 'Signed out', 'You have signed out.', 'signIn'],
    ],
    [
      of({ kind: 'signingIn', host: 'as.example' }),
      ['busy', 'Signing in…', 'A sign-in page of as.example is open', 'cancelSignIn'],
    ],
    [
      of({ kind: 'failed', failure: failure('sign_in_failed') }),
      ['bad', 'Needs attention', 'It is sign_in_failed.', 'signIn'],
    ],
    [
      of({ kind: 'failed', failure: failure('timed_out') }),
      ['bad', 'Not reachable', 'It is timed_out.', 'check'],
    ],
    [of(signedIn, away), ['bad', 'Not reachable', 'It is unreachable.', 'check']],
    [of({ kind: 'signedOut', why: 'x' }, away), ['wants', 'Signed out', 'X.', 'signIn']],
    [of({ kind: 'unknown' }), ['good', 'Ready', 'No sign-in needed', 'none']],
    [of({ kind: 'unknown' }, { reach: { kind: 'unknown' } }), ['idle', 'Not tried yet', null, 'check']],
    [of({ kind: 'unknown' }, { reach: { kind: 'connecting' } }), ['busy', 'Connecting…', null, 'none']],
    [of(signedIn, { reach: { kind: 'connecting' } }), ['busy', 'Connecting…', null, 'none']],
    [of({ kind: 'unknown' }, { reach: undefined, bearer: true }), ['good', 'Uses a key', null, 'none']],
  ])('%j', (standing, expected) => expect(standing).toEqual(expected))
})

describe('how a server stands', () => {
  it('is how its usual account does', () => {
    const signedOut: AccountStateView = { kind: 'signedOut', why: 'the sign-in has expired' }
    const server = serverView('a', { default: signedIn, home: signedOut })
    expect(ofServer(server).word).toBe('Signed in')
    expect(ofServer({ ...server, defaultAccount: 'home' }).word).toBe('Signed out')
    expect(ofServer(serverView('a')).word).toBe('Ready')
  })
})

it('phrases become sentences, and addresses hosts', () => {
  expect(['you are away', 'Really?', ''].map(sentence)).toEqual(['You are away.', 'Really?', ''])
  expect(['it answers', 'https://as.example/', '/bin/drawbridge connect a'].map(noted)).toEqual([
    'It answers.',
    'https://as.example/',
    '/bin/drawbridge connect a',
  ])
  expect([hostOf('https://x.example:1/mcp?…'), hostOf('odd')]).toEqual(['x.example:1', 'odd'])
})
