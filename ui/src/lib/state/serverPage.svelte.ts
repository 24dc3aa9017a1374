/** What the page of one server knows beyond the server's own state. */

import { failureOf, type Backend } from '../backend/backend'
import type {
  Changes,
  DetailsView,
  Edited,
  Failure,
  HeldToolsView,
  ProbeView,
  ServerView,
  SignInChoice,
} from '../backend/bindings'
import { ofServer, type Tone } from '../words'
import { Work } from './work.svelte'

/** What the server last said to an account, or why that cannot be told. */
export type Said = { details: DetailsView; failure: null } | { details: null; failure: Failure }

export class ServerPage {
  /** By account; those that were not read yet are missing. */
  said = $state.raw<Record<string, Said>>({})
  /** What the last look found; `null` before one, and after it failed. */
  probe = $state.raw<ProbeView | null>(null)
  /** Whether the last change dropped keys and sign-ins. */
  wereSecretsDropped = $state(false)
  /** What is held back of pinned tools, by account. */
  readonly held: Record<string, HeldToolsView> = $derived.by(() => {
    const all = Object.entries(this.said).map(([of, { details }]) => [of, details?.held] as const)
    return Object.fromEntries(
      all.filter((entry): entry is [string, HeldToolsView] => (entry[1]?.tools.length ?? 0) > 0),
    )
  })
  readonly looking = new Work()
  readonly removing = new Work()

  /** The account that the person wants to see; empty before one was chosen. */
  private chosen = $state('')
  /** How the server was last seen to stand. */
  private stood: Tone | null = null
  /** How often it was read, so that an answer that comes late counts for nothing. */
  private loads = 0
  /** What was read last: the usual account, and the others. */
  private loaded: [string, string[]] = ['default', []]

  constructor(
    private readonly backend: Backend,
    readonly server: string,
  ) {}

  /** Reads what is known; nobody is asked over the network. */
  async load(account: string, others: string[] = []): Promise<void> {
    this.loaded = [account, others]
    const all = [account, ...others.filter((other) => other !== account)]
    const load = ++this.loads
    const said = await Promise.all(all.map(async (of) => [of, await this.read(of)] as const))
    if (load === this.loads) this.said = Object.fromEntries(said)
  }

  /** Reads the same again. */
  async loadAgain(): Promise<void> {
    await this.load(...this.loaded)
  }

  /** The account that is shown: the usual one until another is chosen, and once that is gone. */
  accountOf({ accounts, defaultAccount }: ServerView): string {
    return accounts.some(({ label }) => label === this.chosen) ? this.chosen : defaultAccount
  }

  /** What is wrong as the account that is shown sees it; that it wants a sign-in is told elsewhere. */
  wrong(server: ServerView): Failure | null {
    const failure = ofServer(server, this.accountOf(server)).failure ?? this.looking.failure
    return failure?.code === 'signed_out' ? null : failure
  }

  /** Shows another account; what a look found was about the one before. */
  choose(account: string): void {
    this.chosen = account
    this.probe = null
    this.looking.failure = null
  }

  /** Accepts the tools of the list that the person has seen, and no others; what is held back is read anew. */
  async acceptTools(account: string, seen: string): Promise<void> {
    try {
      await this.backend.acceptTools(this.server, account, seen)
    } finally {
      await this.load(...this.loaded)
    }
  }

  /** Whether tools that change are held back. */
  async pinTools(pin: boolean): Promise<void> {
    const changes: Changes = pin ? { options: { pinTools: true } } : { unset: ['pin_tools'] }
    await this.edit(changes)
  }

  /** Asks the server. */
  async look(account: string): Promise<void> {
    const { chosen } = this
    this.probe = null
    const looked = await this.looking.run(() => this.backend.probe(this.server, account))
    if (chosen === this.chosen) this.probe = looked?.done ?? null
    else this.looking.failure = null
    await this.load(...this.loaded)
  }

  /**
   * Is told how the server stands. Once it stands well again, what an earlier look found wrong is
   * over; that it wants a sign-in is not.
   */
  stands(tone: Tone): void {
    const isWellAgain = tone === 'good' && this.stood !== 'good'
    this.stood = tone
    if (isWellAgain && this.looking.failure?.code !== 'signed_out') this.looking.failure = null
  }

  async signOut(account: string): Promise<void> {
    await this.backend.signOut(this.server, account)
  }

  async removeAccount(account: string): Promise<void> {
    await this.backend.removeAccount(this.server, account)
  }

  async makeDefault(account: string): Promise<void> {
    await this.edit({ defaultAccount: account })
  }

  /** Whether an account's sign-in window keeps what its pages store. */
  async keepProfile(account: string, keep: boolean): Promise<void> {
    const changes = keep ? { keepProfile: account } : { unset: [{ keep_profile: account }] }
    await this.edit(changes)
  }

  async openSignInsIn(signIn: SignInChoice): Promise<void> {
    await this.edit({ options: { signIn } })
  }

  async edit(changes: Changes): Promise<Edited> {
    this.wereSecretsDropped = false
    const edited = await this.backend.editServer(this.server, changes)
    this.wereSecretsDropped = edited.secretsDropped
    return edited
  }

  async remove(): Promise<boolean> {
    return (await this.removing.run(() => this.backend.removeServer(this.server))) !== null
  }

  private async read(account: string): Promise<Said> {
    try {
      return { details: await this.backend.details(this.server, account), failure: null }
    } catch (error) {
      return { details: null, failure: failureOf(error) }
    }
  }
}
