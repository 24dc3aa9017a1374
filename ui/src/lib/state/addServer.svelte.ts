/** The way from a pasted text to a server that is ready. */

import { failureOf, type Backend } from '../backend/backend'
import type { Failure, HeaderOption, NewServer, ProbeView, ServerOptions } from '../backend/bindings'
import type { Found } from '../paste/found'
import { isInsecure, originOf, secureAddressIn } from '../paste/found'
import { fitting, isName, parse, suggestedName } from '../paste/parse'
import type { HostState } from './host.svelte'
import type { SignIns } from './signIns.svelte'

/** How far it has come. */
export type Stage =
  | { kind: 'address' }
  | { kind: 'looking'; server: string }
  | { kind: 'signIn'; server: string }
  | { kind: 'failed'; server: string; failure: Failure }
  | { kind: 'later'; server: string }
  | { kind: 'kept'; server: string; failure: Failure }
  | { kind: 'ready'; server: string; probe: ProbeView }

export class AddServer {
  pasted = $state('')
  /** Which of several servers. */
  chosen = $state(0)
  /** The person's own name for it, once they have typed one. */
  typedName = $state<string | null>(null)
  /** Values of headers that the snippet leaves open, by name. */
  values = $state<Record<string, string>>({})
  key = $state('')
  clientId = $state('')
  /** It is forgotten once the Host has it. */
  clientSecret = $state('')
  scope = $state('')
  allowHttp = $state(false)
  stage = $state.raw<Stage>({ kind: 'address' })
  isAdding = $state(false)
  failure = $state.raw<Failure | null>(null)

  readonly reading = $derived(parse(this.pasted))
  readonly server: Found | null = $derived(
    this.reading.kind === 'found' ? (this.reading.servers[this.chosen] ?? this.reading.servers[0]) : null,
  )
  readonly name: string = $derived(this.typedName ?? this.suggestion())
  readonly isNameTaken: boolean = $derived(this.isTaken(this.name))
  readonly isInsecure: boolean = $derived(this.server !== null && isInsecure(this.server.url))
  readonly canAdd: boolean = $derived(
    this.server !== null &&
      isName(this.name) &&
      !this.isNameTaken &&
      (!this.isInsecure || this.allowHttp || this.server.allowHttp) &&
      this.server.headers.every((header) => this.valueOf(header) !== ''),
  )

  /** Whether there is a client whose secret, if it has one, is not known. */
  readonly mayHaveSecret: boolean = $derived(
    this.clientId.trim() !== '' || Boolean(this.server?.clientId && !this.server.clientSecret),
  )

  constructor(
    private readonly backend: Backend,
    private readonly host: HostState,
    private readonly signIns: SignIns,
  ) {}

  /** Fills in what a link brings: an https address and nothing that could stand beside it (security rule 15). */
  take(given: { name: string | null; url: string | null }): void {
    const url = secureAddressIn(given.url ?? '')
    if (url) this.paste(url)
    if (given.name) this.typedName = given.name
  }

  paste(text: string): void {
    const before = this.origin()
    this.pasted = text
    this.chosen = 0
    this.failure = null
    if (this.origin() !== before) this.forgetSecrets()
  }

  choose(index: number): void {
    this.chosen = index
    this.typedName = null
    this.forgetSecrets()
  }

  /** Adds the server and looks at it. */
  async add(): Promise<void> {
    if (!this.server || !this.canAdd || this.isAdding) return
    this.isAdding = true
    this.failure = null
    try {
      const added = await this.backend.addServer(this.wanted(this.server))
      this.clientSecret = ''
      this.stage = { kind: 'looking', server: added.name }
      await this.look(added.name, added.defaultAccount)
    } catch (error) {
      this.failure = failureOf(error)
    } finally {
      this.isAdding = false
    }
  }

  /** Looks at the server again. */
  async lookAgain(): Promise<void> {
    if (this.stage.kind !== 'failed') return
    const { server } = this.stage
    this.stage = { kind: 'looking', server }
    await this.look(server, this.accountOf(server))
  }

  async signIn(): Promise<void> {
    if (this.stage.kind !== 'signIn') return
    const { server } = this.stage
    const account = this.accountOf(server)
    if (!(await this.signIns.start(server, account))) return
    this.stage = { kind: 'looking', server }
    await this.look(server, account)
  }

  /** Leaves the sign-in, or what is wrong, for another time. */
  goOn(): void {
    const { stage } = this
    if (stage.kind === 'signIn') this.stage = { kind: 'later', server: stage.server }
    if (stage.kind === 'failed') this.stage = { kind: 'kept', server: stage.server, failure: stage.failure }
  }

  /** Removes the server again and goes back to its address. */
  async takeBack(): Promise<void> {
    if (this.stage.kind !== 'failed') return
    const { server } = this.stage
    try {
      await this.backend.removeServer(server)
      this.stage = { kind: 'address' }
    } catch (error) {
      this.stage = { kind: 'failed', server, failure: failureOf(error) }
    }
  }

  private origin(): string | null {
    return this.server && originOf(this.server.url)
  }

  /** What was typed for one server is no other's business. */
  private forgetSecrets(): void {
    this.clientId = ''
    this.clientSecret = ''
    this.key = ''
    this.values = {}
  }

  accountOf(server: string): string {
    return this.host.server(server)?.defaultAccount ?? 'default'
  }

  private async look(server: string, account: string): Promise<void> {
    try {
      this.stage = { kind: 'ready', server, probe: await this.backend.probe(server, account) }
    } catch (error) {
      const failure = failureOf(error)
      const isSignIn = failure.code === 'signed_out'
      this.stage = isSignIn ? { kind: 'signIn', server } : { kind: 'failed', server, failure }
    }
  }

  private suggestion(): string {
    if (!this.server) return ''
    const given = this.server.name ? fitting(this.server.name) : ''
    return given || suggestedName(this.server.url, (name) => this.isTaken(name))
  }

  private isTaken(name: string): boolean {
    return this.host.servers.some((server) => server.name === name)
  }

  private valueOf(header: { name: string; value: string | null }): string {
    return header.value ?? this.values[header.name]?.trim() ?? ''
  }

  private wanted(server: Found): NewServer {
    const options: ServerOptions = {}
    const headers: HeaderOption[] = []
    for (const header of server.headers) {
      const value = this.valueOf(header)
      const bearer = /^authorization$/i.test(header.name) ? /^bearer\s+(\S+)$/i.exec(value)?.[1] : null
      if (bearer) options.bearer = { value: bearer }
      else headers.push({ name: header.name, value })
    }
    if (headers.length > 0) options.headers = headers
    const key = this.key.trim().replace(/^bearer\s+/i, '')
    if (key) options.bearer = { value: key }
    const clientId = this.clientId.trim() || server.clientId
    if (clientId) options.clientId = clientId
    // The secret of the snippet is that of its own client.
    const clientSecret = this.mayHaveSecret ? this.clientSecret.trim() : server.clientSecret
    if (clientSecret) options.clientSecret = { value: clientSecret }
    const scope = this.scope.trim() || server.scope
    if (scope) options.scope = scope
    if (server.resource) options.resource = server.resource
    if (server.callbackPort) options.callbackPort = server.callbackPort
    if (server.callbackHost) options.callbackHost = server.callbackHost
    if (server.denyTools.length > 0) options.denyTools = server.denyTools
    if (server.transport !== 'auto') options.transport = server.transport
    if (this.isInsecure) options.allowHttp = true
    return { name: this.name, url: server.url, options }
  }
}
