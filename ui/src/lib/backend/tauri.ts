/** The commands of the app, which is the Host with windows. */

import { text } from '../text'
import { Refused, type Backend, type Desktop, type Watcher } from './backend'
import {
  commands,
  events,
  type AppSettings,
  type ApprovalView,
  type Changes,
  type Failure,
  type NewClient,
  type NewServer,
  type ServerCheckup,
} from './bindings'
import { doctor } from './sidecar'

type Answer<T> = { status: 'ok'; data: T } | { status: 'error'; error: Failure }

export class TauriBackend implements Backend {
  readonly desktop: Desktop = new TauriDesktop()

  watch(watcher: Watcher): () => void {
    const stop = whileListening(events.statusChanged.listen(({ payload }) => watcher.status(payload)))
    of(commands.status()).then(watcher.status, (error: Refused) => watcher.lost(error.failure))
    return stop
  }

  addServer = (server: NewServer) => of(commands.addServer(server))
  editServer = (name: string, changes: Changes) => of(commands.editServer(name, changes))
  removeServer = (name: string) => done(commands.removeServer(name))
  probe = (server: string, account: string) => of(commands.probe(server, account))
  checkup = (server: string, account: string | null) => checkup(server, account)
  details = (server: string, account: string) => of(commands.details(server, account))
  acceptTools = (server: string, account: string, seen: string) =>
    done(commands.acceptTools(server, account, seen))
  signIn = (server: string, account: string) => done(commands.signIn(server, account, 'usual'))
  cancelSignIn = (server: string, account: string) => done(commands.cancelSignIn(server, account))
  signOut = (server: string, account: string) => done(commands.signOut(server, account))
  removeAccount = (server: string, account: string) => done(commands.removeAccount(server, account))
  pause = () => done(commands.pause())
  resume = () => done(commands.resume())
  clients = () => of(commands.clients())
  addClient = (client: NewClient) => of(commands.addClient(client))
  revokeClient = (name: string) => done(commands.revokeClient(name))
}

class TauriDesktop implements Desktop {
  about = () => of(commands.about())
  settings = () => of(commands.appSettings())
  change = (settings: AppSettings) => of(commands.setAppSettings(settings))
  showLogs = () => done(commands.showLogs())
  quit = () => done(commands.quit())
  answerApproval = (id: number, allow: boolean) => done(commands.answerApproval(id, allow))

  watchApprovals(watcher: (approvals: ApprovalView[]) => void): () => void {
    const stop = whileListening(events.approvalsChanged.listen(({ payload }) => watcher(payload)))
    of(commands.approvals()).then(watcher, () => watcher([]))
    return stop
  }

  watchRoutes(watcher: (route: string) => void): () => void {
    return whileListening(events.navigate.listen(({ payload }) => watcher(payload)))
  }
}

/** The command itself looks, so that it is seen to work, too. */
async function checkup(server: string, account: string | null): Promise<ServerCheckup> {
  const { servers } = await doctor(account ? `${server}@${account}` : server)
  const [checked] = servers
  if (checked) return checked
  throw new Refused(text.failures.noCommand)
}

async function of<T>(answer: Promise<Answer<T>>): Promise<T> {
  const given = await answer
  if (given.status === 'ok') return given.data
  throw new Refused(given.error)
}

async function done(answer: Promise<Answer<unknown>>): Promise<void> {
  await of(answer)
}

/** How to stop what begins to listen just now. */
function whileListening(listening: Promise<() => void>): () => void {
  return () => void listening.then((stop) => stop())
}
