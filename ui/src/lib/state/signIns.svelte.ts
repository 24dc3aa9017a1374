/** Sign-ins that this window has started. How an account stands is the Host's to tell. */

import { untrack } from 'svelte'
import { failureOf, type Backend } from '../backend/backend'
import type { Failure, ServerView } from '../backend/bindings'
import { text } from '../text'
import type { Announcer } from './announcer.svelte'

type SignIn = { kind: 'open' } | { kind: 'failed'; failure: Failure }

export class SignIns {
  private all = $state.raw<Record<string, SignIn>>({})

  constructor(
    private readonly backend: Backend,
    private readonly announcer: Announcer,
  ) {}

  isOpen(server: string, account: string): boolean {
    return this.all[key(server, account)]?.kind === 'open'
  }

  /** Why the last one did not work. */
  failure(server: string, account: string): Failure | null {
    const signIn = this.all[key(server, account)]
    return signIn?.kind === 'failed' ? signIn.failure : null
  }

  /** Is told how the servers stand: why a sign-in did not work says nothing any more once somebody has signed in. */
  seen(servers: ServerView[]): void {
    const signedIn = servers.flatMap(({ name, accounts }) =>
      accounts.filter(({ state }) => state.kind === 'signedIn').map(({ label }) => key(name, label)),
    )
    const all = Object.entries(untrack(() => this.all))
    const left = all.filter(([of, { kind }]) => kind === 'open' || !signedIn.includes(of))
    if (left.length < all.length) this.all = Object.fromEntries(left)
  }

  /** Opens the page; whether somebody has signed in. */
  async start(server: string, account: string): Promise<boolean> {
    if (this.isOpen(server, account)) return false
    this.set(server, account, { kind: 'open' })
    try {
      await this.backend.signIn(server, account)
      this.set(server, account, null)
      this.announcer.say(text.server.signedInNow(`${server}@${account}`))
      return true
    } catch (error) {
      // One that the person called off is no failure.
      if (this.isOpen(server, account)) {
        this.set(server, account, { kind: 'failed', failure: failureOf(error) })
      }
      return false
    }
  }

  async cancel(server: string, account: string): Promise<void> {
    this.set(server, account, null)
    await this.backend.cancelSignIn(server, account)
  }

  private set(server: string, account: string, signIn: SignIn | null): void {
    const all = { ...this.all }
    if (signIn) all[key(server, account)] = signIn
    else delete all[key(server, account)]
    this.all = all
  }
}

function key(server: string, account: string): string {
  return `${server}@${account}`
}
