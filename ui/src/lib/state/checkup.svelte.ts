/** A walk from an account to an open session, step by step. */

import type { Backend } from '../backend/backend'
import type { CheckView, Failure } from '../backend/bindings'
import { Work } from './work.svelte'

export class CheckupState {
  /** What the last walk found; `null` before one. */
  checks = $state.raw<CheckView[] | null>(null)
  readonly walking = new Work()
  /** The first thing that is wrong. */
  readonly wrong = $derived.by((): Failure | null => {
    for (const { outcome } of this.checks ?? []) if (outcome.kind === 'wrong') return outcome.failure
    return null
  })

  constructor(
    private readonly backend: Backend,
    private readonly server: string,
  ) {}

  /** As one account, or as the one that an entry without a name is for. */
  async walk(account: string | null): Promise<void> {
    this.checks = null
    const walked = await this.walking.run(() => this.backend.checkup(this.server, account))
    this.checks = walked?.done.checks ?? null
  }
}
