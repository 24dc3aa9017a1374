/** The Host as it was last told of. */

import type { Backend } from '../backend/backend'
import type { Failure, ServerView, StatusView } from '../backend/bindings'

export class HostState {
  /** `null` until the Host has told it for the first time. */
  status = $state.raw<StatusView | null>(null)
  /** Why the Host cannot be asked, while that is so. */
  lost = $state.raw<Failure | null>(null)
  readonly servers: ServerView[] = $derived(this.status?.servers ?? [])

  constructor(private readonly backend: Backend) {}

  start(): () => void {
    return this.backend.watch({
      status: (status) => {
        this.status = status
        this.lost = null
      },
      lost: (failure) => {
        this.lost = failure
      },
    })
  }

  server(name: string): ServerView | undefined {
    return this.servers.find((server) => server.name === name)
  }

  /** The program that clients start. */
  get command(): string {
    return this.status?.command ?? 'drawbridge'
  }
}
