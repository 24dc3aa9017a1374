/** How servers and accounts stand, in words: one mark, one word, one next step. */

import type { AccountView, Failure, ServerView } from './backend/bindings'
import { text } from './text'

/** How good or bad it is; each tone has a colour and a shape of its own. */
export type Tone = 'good' | 'busy' | 'idle' | 'wants' | 'bad'

/** What a person can do about it. */
export type Step = 'signIn' | 'cancelSignIn' | 'check' | 'none'

/** How something stands. */
export interface Standing {
  tone: Tone
  word: string
  detail: string | null
  /** What is wrong, where something is. */
  failure: Failure | null
  step: Step
}

/** How an account stands, seen with what is known of its server. */
export function ofAccount(server: ServerView, account: AccountView): Standing {
  const { state } = account
  const { reach } = server
  switch (state.kind) {
    case 'signingIn':
      return standing('busy', text.state.signingIn, {
        detail: state.host ? text.state.signingInAt(state.host) : null,
        step: 'cancelSignIn',
      })
    case 'failed':
      return ofFailure(state.failure)
    case 'signedOut':
      return standing('wants', text.state.signedOut, { detail: sentence(state.why), step: 'signIn' })
    case 'signedIn':
      if (reach?.kind === 'failed') return ofFailure(reach.failure)
      if (reach?.kind === 'connecting') return standing('busy', text.state.connecting)
      return standing('good', text.state.signedIn, { detail: state.identity })
    case 'unknown':
      return ofServerAlone(server)
  }
}

/** How a server stands as one account sees it; as a whole, as the one that clients use who name none. */
export function ofServer(server: ServerView, label = server.defaultAccount): Standing {
  const account = server.accounts.find((account) => account.label === label)
  return account ? ofAccount(server, account) : ofServerAlone(server)
}

function ofServerAlone(server: ServerView): Standing {
  const { reach } = server
  if (reach?.kind === 'failed') return ofFailure(reach.failure)
  if (reach?.kind === 'connecting') return standing('busy', text.state.connecting)
  if (usesKey(server)) return standing('good', text.state.key)
  if (reach?.kind === 'reached') {
    return standing('good', text.state.ready, { detail: text.state.readyDetail })
  }
  return standing('idle', text.state.unknown, { step: 'check' })
}

function ofFailure(failure: Failure): Standing {
  const isSignIn = failure.code === 'signed_out' || failure.code === 'sign_in_failed'
  const isAway = failure.code === 'unreachable' || failure.code === 'timed_out'
  return standing('bad', isAway ? text.state.unreachable : text.state.attention, {
    detail: failure.sentence,
    failure,
    step: isSignIn ? 'signIn' : 'check',
  })
}

/** Whether a fixed key or header signs it in. */
export function usesKey(server: ServerView): boolean {
  return server.bearer || server.headers.some((name) => name.toLowerCase() === 'authorization')
}

/** The host of an address, with its port. */
export function hostOf(url: string): string {
  try {
    return new URL(url.replace(/\?…$/, '')).host
  } catch {
    return url
  }
}

/** A phrase of the Host as a sentence. */
export function sentence(phrase: string): string {
  const whole = phrase.charAt(0).toUpperCase() + phrase.slice(1)
  return /[.!?]$/.test(whole) || !whole ? whole : `${whole}.`
}

/** What the Host noted: a phrase as a sentence, an address or a command as it is. */
export function noted(note: string): string {
  return /^[a-z]+( |$)/.test(note) ? sentence(note) : note
}

function standing(tone: Tone, word: string, more: Partial<Standing> = {}): Standing {
  return { tone, word, detail: null, failure: null, step: 'none', ...more }
}
