/** What the page of one server knows beyond the server's own state. */

import type { Backend } from '../backend/backend'
import type { Changes, DetailsView, Edited, ProbeView, SignInChoice } from '../backend/bindings'
import { Work } from './work.svelte'

export class ServerPage {
  details = $state.raw<DetailsView | null>(null)
  /** What the last look found; `null` before one, and after it failed. */
  probe = $state.raw<ProbeView | null>(null)
  /** Whether the last change dropped keys and sign-ins. */
  wereSecretsDropped = $state(false)
  readonly looking = new Work()
  readonly changing = new Work()
  readonly removing = new Work()

  constructor(
    private readonly backend: Backend,
    readonly server: string,
  ) {}

  /** Reads what is known; nobody is asked over the network. */
  async load(account: string): Promise<void> {
    const details = await this.backend.details(this.server, account).catch(() => null)
    this.details = details
  }

  /** Asks the server. */
  async look(account: string): Promise<void> {
    this.probe = null
    const looked = await this.looking.run(() => this.backend.probe(this.server, account))
    this.probe = looked?.done ?? null
    await this.load(account)
  }

  async signOut(account: string): Promise<boolean> {
    return (await this.changing.run(() => this.backend.signOut(this.server, account))) !== null
  }

  async removeAccount(account: string): Promise<boolean> {
    return (await this.changing.run(() => this.backend.removeAccount(this.server, account))) !== null
  }

  async makeDefault(account: string): Promise<boolean> {
    return (await this.edit({ defaultAccount: account })) !== null
  }

  /** Whether an account's sign-in window keeps what its pages store. */
  async keepProfile(account: string, keep: boolean): Promise<boolean> {
    const changes = keep ? { keepProfile: account } : { unset: [{ keep_profile: account }] }
    return (await this.edit(changes)) !== null
  }

  async openSignInsIn(signIn: SignInChoice): Promise<boolean> {
    return (await this.edit({ options: { signIn } })) !== null
  }

  async edit(changes: Changes): Promise<Edited | null> {
    const edited = await this.changing.run(() => this.backend.editServer(this.server, changes))
    this.wereSecretsDropped = edited?.done.secretsDropped ?? false
    return edited?.done ?? null
  }

  async remove(): Promise<boolean> {
    return (await this.removing.run(() => this.backend.removeServer(this.server))) !== null
  }
}
