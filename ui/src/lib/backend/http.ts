/**
 * The control API over HTTP, for working on the window in a browser and for its tests. The program
 * at the other end (`tests/ui-host`) is no part of the product.
 */

import { text } from '../text'
import { failureIn, Refused, type Backend, type Watcher } from './backend'
import type {
  Changes,
  Checkup,
  ClientsView,
  DetailsView,
  Edited,
  Failure,
  NewClient,
  NewServer,
  ProbeView,
  ServerCheckup,
  ServerView,
  SignedOut,
  StatusView,
} from './bindings'
import { jsonLines } from './lines'

/** What is told during a sign-in, one on each line. */
type SignInEvent = { event: 'url'; url: string } | { event: 'done' } | { event: 'failed'; failure: Failure }

const PREFIX = '/control/v1'
const KEY = 'drawbridge-key'
const RETRY_AFTER = 1000

export class HttpBackend implements Backend {
  readonly desktop = null

  private constructor(private readonly key: string) {}

  /** Takes the one-time token out of the address; a page that is loaded again has its key still. */
  static async enter(): Promise<HttpBackend> {
    const token = /^#token=(\w+)/.exec(location.hash)?.[1]
    if (token) {
      history.replaceState(null, '', location.pathname + '#/')
      const body = JSON.stringify({ token })
      const headers = { 'content-type': 'application/json' }
      const entered = await fetch('/session', { method: 'POST', headers, body })
      if (entered.ok) sessionStorage.setItem(KEY, ((await entered.json()) as { key: string }).key)
    }
    return new HttpBackend(sessionStorage.getItem(KEY) ?? '')
  }

  watch(watcher: Watcher): () => void {
    const stop = new AbortController()
    void this.follow(watcher, stop.signal)
    return () => stop.abort()
  }

  addServer(server: NewServer): Promise<ServerView> {
    return this.json('POST', '/servers', server)
  }

  editServer(name: string, changes: Changes): Promise<Edited> {
    return this.json('PATCH', path(name), changes)
  }

  async removeServer(name: string): Promise<void> {
    await this.ask('DELETE', path(name))
  }

  probe(server: string, account: string): Promise<ProbeView> {
    return this.json('POST', `${path(server, account)}/probe`)
  }

  checkup(server: string, account: string | null): Promise<ServerCheckup> {
    return this.json('GET', `${path(server, account ?? undefined)}/checkup`)
  }

  checkupOfAll(): Promise<Checkup> {
    return this.json('GET', '/doctor')
  }

  details(server: string, account: string): Promise<DetailsView> {
    return this.json('GET', `${path(server, account)}/details`)
  }

  async acceptTools(server: string, account: string, seen: string): Promise<void> {
    await this.ask('POST', `${path(server, account)}/tools/accept`, { seen })
  }

  async signIn(server: string, account: string): Promise<void> {
    // Opened before the first wait, while the browser still knows that a person asked for it.
    const page = window.open('about:blank')
    try {
      const answer = await this.ask('POST', `${path(server, account)}/sign-in`, { openBy: 'caller' })
      for await (const event of jsonLines<SignInEvent>(answer)) {
        if (event.event === 'url') page?.location.replace(event.url)
        else if (event.event === 'done') return
        else throw new Refused(event.failure)
      }
      throw new Refused(text.failures.hostGone)
    } catch (error) {
      page?.close()
      throw error
    }
  }

  async takeRedirect(server: string, account: string, url: string): Promise<void> {
    await this.ask('POST', `${path(server, account)}/redirect`, { url })
  }

  async cancelSignIn(server: string, account: string): Promise<void> {
    await this.ask('DELETE', `${path(server, account)}/sign-in`)
  }

  async signOut(server: string, account: string): Promise<void> {
    await this.ask('POST', `${path(server, account)}/sign-out`)
  }

  async signOutAll(): Promise<number> {
    return (await this.json<SignedOut>('POST', '/sign-out')).accounts
  }

  async removeAccount(server: string, account: string): Promise<void> {
    await this.ask('DELETE', path(server, account))
  }

  async pause(): Promise<void> {
    await this.ask('POST', '/pause')
  }

  async resume(): Promise<void> {
    await this.ask('POST', '/resume')
  }

  async setProxy(proxy: string | null): Promise<void> {
    await this.ask('PUT', '/settings/proxy', { proxy })
  }

  clients(): Promise<ClientsView> {
    return this.json('GET', '/clients')
  }

  addClient(client: NewClient): Promise<ClientsView> {
    return this.json('POST', '/clients', client)
  }

  async revokeClient(name: string): Promise<void> {
    await this.ask('DELETE', `/clients/${encodeURIComponent(name)}`)
  }

  private async follow(watcher: Watcher, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      try {
        const events = await this.ask('GET', '/events', undefined, stop)
        for await (const status of jsonLines<StatusView>(events)) watcher.status(status)
        watcher.lost(text.failures.hostGone)
      } catch (error) {
        if (stop.aborted) return
        watcher.lost(error instanceof Refused ? error.failure : text.failures.hostGone)
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER))
    }
  }

  private async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    return (await (await this.ask(method, path, body)).json()) as T
  }

  private async ask(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.key}` }
    if (body !== undefined) headers['content-type'] = 'application/json'
    const request = { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) }
    const answer = await fetch(PREFIX + path, request).catch((error: unknown) => {
      throw signal?.aborted ? error : new Refused(text.failures.hostGone)
    })
    if (answer.ok) return answer
    throw new Refused(failureIn(await answer.json().catch(() => text.failures.noKey)))
  }
}

function path(server: string, account?: string): string {
  const part = account === undefined ? '' : `/accounts/${encodeURIComponent(account)}`
  return `/servers/${encodeURIComponent(server)}${part}`
}
