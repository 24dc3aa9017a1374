/** A look at Drawbridge itself, and a walk for every account of every server. */

import type { Backend } from '../backend/backend'
import type { CheckView, Failure, ServerCheckup } from '../backend/bindings'
import { text } from '../text'
import { Work } from './work.svelte'

/** What was looked at as one thing. */
export interface Looked {
  /** Drawbridge, or the server, with the account where it has several. */
  name: string
  /** The server, where it is one. */
  server: string | null
  checks: CheckView[]
  wrong: Failure[]
}

export class CheckupOfAll {
  /** What the last look found; `null` before one. */
  found = $state.raw<Looked[] | null>(null)
  readonly walking = new Work()
  /** All that is wrong. */
  readonly wrong = $derived((this.found ?? []).flatMap(({ wrong }) => wrong))

  constructor(private readonly backend: Backend) {}

  async walk(): Promise<void> {
    this.found = null
    const walked = await this.walking.run(() => this.backend.checkupOfAll())
    if (!walked) return
    const { host, servers } = walked.done
    const ofServers = servers.map((one) => looked(nameOf(one, servers), one.server, one.checks))
    this.found = [looked(text.app.name, null, host), ...ofServers]
  }
}

/** An account is named where it is not the only one. */
function nameOf({ server, account }: ServerCheckup, all: ServerCheckup[]): string {
  return all.filter((other) => other.server === server).length > 1 ? `${server}@${account}` : server
}

function looked(name: string, server: string | null, checks: CheckView[]): Looked {
  const wrong = checks.flatMap(({ outcome }) => (outcome.kind === 'wrong' ? [outcome.failure] : []))
  return { name, server, checks, wrong }
}
