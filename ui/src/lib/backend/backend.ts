/**
 * What the window may ask of the Host. There is one carrier for the app (`tauri.ts`) and one for a
 * browser (`http.ts`); nothing else of the window knows which.
 */

import { text } from '../text'
import { sentence } from '../words'
import type {
  About,
  AppSettings,
  ApprovalView,
  Changes,
  Checkup,
  ClientsView,
  Code,
  DetailsView,
  Edited,
  Failure,
  NewClient,
  NewServer,
  ProbeView,
  ServerCheckup,
  ServerView,
  StatusView,
} from './bindings'

/** The verbs of `/control/v1`, and those of the app where there is one. A verb that fails throws [`Refused`]. */
export interface Backend {
  /** What only the app can do; `null` in a browser. */
  readonly desktop: Desktop | null
  /** Tells the status now and at every change, and when the Host goes away; returns how to stop. */
  watch(watcher: Watcher): () => void
  addServer(server: NewServer): Promise<ServerView>
  editServer(name: string, changes: Changes): Promise<Edited>
  removeServer(name: string): Promise<void>
  /** Opens a session and reads the lists, as one account. */
  probe(server: string, account: string): Promise<ProbeView>
  /** Goes every step from one account, or the usual one, to an open session, up to the first thing that is wrong; changes nothing. */
  checkup(server: string, account: string | null): Promise<ServerCheckup>
  /** Looks at Drawbridge itself, and goes the same steps for every account of every server. */
  checkupOfAll(): Promise<Checkup>
  /** What the server last said to one account. */
  details(server: string, account: string): Promise<DetailsView>
  /** Accepts pinned tools as they are in the list that was `seen`. */
  acceptTools(server: string, account: string, seen: string): Promise<void>
  /** Opens the sign-in page; resolves once somebody has signed in. */
  signIn(server: string, account: string): Promise<void>
  /** Hands over the address that a browser ended at; it holds a one-time code. What is wrong with it leaves the sign-in waiting. */
  takeRedirect(server: string, account: string, url: string): Promise<void>
  cancelSignIn(server: string, account: string): Promise<void>
  signOut(server: string, account: string): Promise<void>
  /** Signs every account out; how many were signed in. */
  signOutAll(): Promise<number>
  removeAccount(server: string, account: string): Promise<void>
  /** Leaves all servers alone. */
  pause(): Promise<void>
  /** Uses them again. */
  resume(): Promise<void>
  /** Sets the proxy for all servers without one of their own; `null` goes back to what the environment says. */
  setProxy(proxy: string | null): Promise<void>
  clients(): Promise<ClientsView>
  addClient(client: NewClient): Promise<ClientsView>
  revokeClient(name: string): Promise<void>
}

/** What the app offers beside the Host. */
export interface Desktop {
  about(): Promise<About>
  settings(): Promise<AppSettings>
  /** Takes all settings; returns how they are then. */
  change(settings: AppSettings): Promise<AppSettings>
  showLogs(): Promise<void>
  /** Tells the questions that wait, now and at every change; returns how to stop. */
  watchApprovals(watcher: (approvals: ApprovalView[]) => void): () => void
  answerApproval(id: number, allow: boolean): Promise<void>
}

/** Who wants to know how the Host stands. */
export interface Watcher {
  status(status: StatusView): void
  /** The Host went away or cannot be reached; the carrier keeps trying. */
  lost(failure: Failure): void
}

/** A verb did not do what it should. */
export class Refused extends Error {
  constructor(readonly failure: Failure) {
    super(failure.sentence)
  }

  get code(): Code {
    return this.failure.code
  }
}

/** Any error as a failure that can be shown. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Refused) return error.failure
  return failureIn(error instanceof Error ? error.message : error)
}

/** The failure that an answer is. What the Host did not word itself, such as Tauri's own refusals, is one of ours. */
export function failureIn(answer: unknown): Failure {
  if (isFailure(answer)) return answer
  const { unworded } = text.failures
  return typeof answer === 'string' && answer ? { ...unworded, sentence: sentence(answer) } : unworded
}

function isFailure(answer: unknown): answer is Failure {
  const { sentence, nextStep } = (answer ?? {}) as Partial<Record<string, unknown>>
  return typeof sentence === 'string' && typeof nextStep === 'string'
}
