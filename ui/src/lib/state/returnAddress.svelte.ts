/** The address that a browser ended a sign-in at, from a person whose browser is elsewhere. */

import type { Backend } from '../backend/backend'
import { text } from '../text'
import type { Announcer } from './announcer.svelte'
import { Work } from './work.svelte'

export class ReturnAddress {
  /** What the person pasted. It holds a one-time code, so it goes as soon as it is handed over. */
  pasted = $state('')
  readonly handing = new Work()

  constructor(
    private readonly backend: Backend,
    private readonly announcer: Announcer,
    private readonly server: string,
    private readonly account: string,
  ) {}

  /** Hands it over; whether it was taken. How the sign-in goes on is told where the account stands. */
  async hand(): Promise<boolean> {
    if (this.handing.isBusy) return false
    const address = this.pasted
    this.pasted = ''
    const taken = await this.handing.run(() => this.backend.takeRedirect(this.server, this.account, address))
    if (taken) this.announcer.say(text.returnAddress.taken)
    return taken !== null
  }
}
