/** Something asked of the Host: whether it goes on, and why it failed. */

import { untrack } from 'svelte'
import { failureOf } from '../backend/backend'
import type { Failure } from '../backend/bindings'

export class Work {
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
}
