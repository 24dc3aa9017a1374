/** The clients of the local HTTP endpoint. */

import type { Backend } from '../backend/backend'
import type { ClientsView } from '../backend/bindings'
import { newToken } from '../token'
import { Work } from './work.svelte'

/** A token, while it is shown. */
export interface ShownToken {
  client: string
  token: string
  /** Where the client sends its requests. */
  addresses: string[]
  /** Whether the server's name has to be put into the address. */
  isForAll: boolean
}

export class Clients {
  view = $state.raw<ClientsView | null>(null)
  shown = $state.raw<ShownToken | null>(null)
  readonly loading = new Work()
  readonly adding = new Work()
  readonly revoking = new Work()

  constructor(private readonly backend: Backend) {}

  async load(): Promise<void> {
    const loaded = await this.loading.run(() => this.backend.clients())
    this.view = loaded?.done ?? this.view
  }

  /** Makes a token for a new client; `servers` is `null` for all of them. */
  async add(name: string, servers: string[] | null): Promise<void> {
    const { token, digest } = await newToken()
    const added = await this.adding.run(() =>
      this.backend.addClient({ name, digest, servers: servers ?? [], all: servers === null }),
    )
    if (!added) return
    this.view = added.done
    const { endpoint } = added.done
    const base = endpoint.kind === 'on' ? endpoint.url : ''
    const names = servers ?? ['NAME']
    const addresses = base ? names.map((server) => `${base}/${server}`) : []
    this.shown = { client: name, token, addresses, isForAll: servers === null }
  }

  async revoke(name: string): Promise<boolean> {
    const revoked = await this.revoking.inTurn(() => this.backend.revokeClient(name))
    if (revoked) await this.load()
    return revoked !== null
  }
}
