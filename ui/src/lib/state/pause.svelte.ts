/** Whether all servers are left alone, as the Host says, and the wish for another. */

import type { Backend } from '../backend/backend'
import { text } from '../text'
import type { Announcer } from './announcer.svelte'
import type { HostState } from './host.svelte'
import { Work } from './work.svelte'

export class Pause {
  readonly work = new Work()
  readonly isOn: boolean = $derived.by(() => this.host.status?.paused ?? false)

  constructor(
    private readonly backend: Backend,
    private readonly host: HostState,
    private readonly announcer: Announcer,
  ) {}

  /** Leaves all servers alone, or uses them again; whether that worked. */
  async set(on: boolean): Promise<boolean> {
    const done = await this.work.inTurn(() => (on ? this.backend.pause() : this.backend.resume()))
    if (done) this.announcer.say(on ? text.pause.on : text.pause.off)
    return done !== null
  }
}
