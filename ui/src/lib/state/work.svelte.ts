/** Something asked of the Host: whether it goes on, and why it failed. */

import { untrack } from 'svelte'
import { failureOf } from '../backend/backend'
import type { Failure } from '../backend/bindings'

export class Work {
  private last: Promise<unknown> = Promise.resolve()
  isBusy = $state(false)
  failure = $state.raw<Failure | null>(null)

  /** Does it unless it is being done; `null` where it failed or was not begun. */
  async run<T>(job: () => Promise<T>): Promise<{ done: T } | null> {
    // An effect that begins it is not to begin it again when it ends.
    if (untrack(() => this.isBusy)) return null
    this.isBusy = true
    this.failure = null
    try {
      return { done: await job() }
    } catch (error) {
      this.failure = failureOf(error)
      return null
    } finally {
      this.isBusy = false
    }
  }

  /** Does it once all that was asked for in turn has ended; `null` where it failed. */
  inTurn<T>(job: () => Promise<T>): Promise<{ done: T } | null> {
    const done = this.last.then(() => this.run(job))
    this.last = done
    return done
  }
}
