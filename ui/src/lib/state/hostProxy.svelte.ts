/** The proxy for all servers without one of their own, as the Host says, and the wish for another. */

import type { Backend } from '../backend/backend'
import type { StatusView } from '../backend/bindings'
import { text } from '../text'
import type { Announcer } from './announcer.svelte'
import type { HostState } from './host.svelte'
import { Work } from './work.svelte'

export class HostProxy {
  readonly saving = new Work()
  /** What the Host took, and the last that it told of before: it counts until the Host tells more. */
  private saved = $state.raw<{ proxy: string | null; after: StatusView | null } | null>(null)
  /** `null` where the environment decides. */
  readonly present: string | null = $derived.by(() => {
    const { status } = this.host
    return this.saved?.after === status ? this.saved.proxy : (status?.proxy ?? null)
  })
  /** What the person has typed and not saved. */
  private typed = $state<string | null>(null)

  constructor(
    private readonly backend: Backend,
    private readonly host: HostState,
    private readonly announcer: Announcer,
  ) {}

  /** What stands in the field. */
  get address(): string {
    return this.typed ?? this.present ?? ''
  }

  set address(typed: string) {
    this.typed = typed
  }

  /** Takes what stands in the field, where nothing means the way back; whether that worked. */
  save(): Promise<boolean> {
    return this.set(this.address.trim() || null)
  }

  /** Goes back to what the environment says; whether that worked. */
  clear(): Promise<boolean> {
    return this.set(null)
  }

  private async set(proxy: string | null): Promise<boolean> {
    const after = this.host.status
    const done = await this.saving.run(() => this.backend.setProxy(proxy))
    if (!done) return false
    this.saved = { proxy, after }
    this.typed = null
    this.announcer.say(proxy === null ? text.settings.proxyCleared : text.settings.proxySaved)
    return true
  }
}
