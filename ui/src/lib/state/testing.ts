/** A Host for tests of the controllers: it does what it is told and remembers what it was asked. */

import { Refused, type Backend, type Watcher } from '../backend/backend'
import type {
  AccountStateView,
  Checkup,
  CheckView,
  Code,
  DetailsView,
  Failure,
  NewServer,
  ServerView,
  StatusView,
} from '../backend/bindings'
import { server } from '../backend/sample'

export const failure = (code: Code): Failure => ({ code, sentence: `It is ${code}.`, nextStep: 'Do it.' })

export class FakeBackend {
  readonly added: NewServer[] = []
  readonly removed: string[] = []
  readonly cancelled: string[] = []
  servers: ServerView[] = []
  paused = false
  /** Why servers cannot be left alone or used again, where that is so. */
  pauseFails: Failure | null = null
  proxy: string | null = null
  /** Why no other proxy is taken, where that is so. */
  proxyFails: Failure | null = null
  /** What the next probes come to. */
  probes: (Failure | null)[] = []
  /** What the next sign-ins come to; a promise is waited for. */
  signIns: (Failure | null | Promise<Failure | null>)[] = []
  /** Addresses that were handed over. */
  readonly redirects: [server: string, account: string, url: string][] = []
  /** Why none is taken, where that is so. */
  redirectFails: Failure | null = null
  /** What the next walks find. */
  checkups: (CheckView[] | Failure)[] = []
  /** What the next looks at everything find. */
  checkupsOfAll: (Checkup | Failure)[] = []
  private watcher: Watcher | null = null

  get backend(): Backend {
    return this as unknown as Backend
  }

  watch(watcher: Watcher): () => void {
    this.watcher = watcher
    this.tell()
    return () => (this.watcher = null)
  }

  lose(): void {
    this.watcher?.lost(failure('host_gone'))
  }

  tell(): void {
    const { servers, paused, proxy } = this
    this.watcher?.status({ servers, paused, proxy } as StatusView)
  }

  pause = () => this.setPaused(true)
  resume = () => this.setPaused(false)

  private async setPaused(paused: boolean): Promise<void> {
    if (this.pauseFails) throw new Refused(this.pauseFails)
    this.paused = paused
    this.tell()
  }

  async setProxy(proxy: string | null): Promise<void> {
    if (this.proxyFails) throw new Refused(this.proxyFails)
    this.proxy = proxy
  }

  async addServer(server: NewServer): Promise<ServerView> {
    this.added.push(server)
    const view = serverView(server.name)
    this.servers = [...this.servers, view]
    this.tell()
    return view
  }

  async removeServer(name: string): Promise<void> {
    this.removed.push(name)
    this.servers = this.servers.filter((server) => server.name !== name)
    this.tell()
  }

  async probe() {
    const failed = this.probes.shift()
    if (failed) throw new Refused(failed)
    return { server: 'Tickets', protocolVersion: '2025-11-25', tools: 3 }
  }

  /** What servers have said, by account; nothing was ever said to others. */
  said: Record<string, DetailsView | Promise<DetailsView>> = {}

  async details(_: string, account: string): Promise<DetailsView> {
    const said = await this.said[account]
    if (!said) throw new Refused(failure('unknown'))
    return said
  }

  async checkup() {
    const found = this.checkups.shift() ?? []
    if ('code' in found) throw new Refused(found)
    return { server: 'tickets', account: 'default', checks: found }
  }

  async checkupOfAll(): Promise<Checkup> {
    const found = this.checkupsOfAll.shift() ?? { host: [], servers: [] }
    if ('code' in found) throw new Refused(found)
    return found
  }

  async signIn(): Promise<void> {
    const failed = await this.signIns.shift()
    if (failed) throw new Refused(failed)
  }

  async takeRedirect(server: string, account: string, url: string): Promise<void> {
    this.redirects.push([server, account, url])
    if (this.redirectFails) throw new Refused(this.redirectFails)
  }

  async cancelSignIn(server: string, account: string): Promise<void> {
    this.cancelled.push(`${server}@${account}`)
  }
}

/** A server; `states` are those of its accounts. */
export function serverView(name: string, states: Record<string, AccountStateView> = {}): ServerView {
  return server(name, { accounts: Object.entries(states).map(([label, state]) => ({ label, state })) })
}
