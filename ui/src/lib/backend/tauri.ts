/** The commands of the app, which is the Host with windows. */

import { text } from '../text'
import { failureIn, failureOf, Refused, type Backend, type Desktop, type Watcher } from './backend'
import {
  commands,
  events,
  type AppSettings,
  type ApprovalView,
  type Changes,
  type NewClient,
  type NewServer,
  type ServerCheckup,
} from './bindings'
import { follow } from './follow'
import { doctor } from './sidecar'

type Answer<T> = { status: 'ok'; data: T } | { status: 'error'; error: unknown }

export class TauriBackend implements Backend {
  readonly desktop: Desktop = new TauriDesktop()

  watch(watcher: Watcher): () => void {
    return follow({
      listen: (changed) => events.statusChanged.listen(({ payload }) => changed(payload)),
      ask: () => of(commands.status()),
      told: watcher.status,
      failed: (error) => watcher.lost(failureOf(error)),
    })
  }

  addServer = (server: NewServer) => of(commands.addServer(server))
  editServer = (name: string, changes: Changes) => of(commands.editServer(name, changes))
  removeServer = (name: string) => done(commands.removeServer(name))
  probe = (server: string, account: string) => of(commands.probe(server, account))
  checkup = (server: string, account: string | null) => checkup(server, account)
  checkupOfAll = () => doctor()
  details = (server: string, account: string) => of(commands.details(server, account))
  acceptTools = (server: string, account: string, seen: string) =>
    done(commands.acceptTools(server, account, seen))
  signIn = (server: string, account: string) => done(commands.signIn(server, account))
  takeRedirect = (server: string, account: string, url: string) =>
    done(commands.takeRedirect(server, account, { url }))
  cancelSignIn = (server: string, account: string) => done(commands.cancelSignIn(server, account))
  signOut = (server: string, account: string) => done(commands.signOut(server, account))
  signOutAll = async () => (await of(commands.signOutAll())).accounts
  removeAccount = (server: string, account: string) => done(commands.removeAccount(server, account))
  pause = () => done(commands.pause())
  resume = () => done(commands.resume())
  setProxy = (proxy: string | null) => done(commands.setProxy(proxy))
  clients = () => of(commands.clients())
  addClient = (client: NewClient) => of(commands.addClient(client))
  revokeClient = (name: string) => done(commands.revokeClient(name))
}

class TauriDesktop implements Desktop {
  about = () => of(commands.about())
  settings = () => of(commands.appSettings())
  change = (settings: AppSettings) => of(commands.setAppSettings(settings))
  showLogs = () => done(commands.showLogs())
  answerApproval = (id: number, allow: boolean) => done(commands.answerApproval(id, allow))

  watchApprovals(watcher: (approvals: ApprovalView[]) => void): () => void {
    return follow<ApprovalView[]>({
      listen: (changed) => events.approvalsChanged.listen(({ payload }) => changed(payload)),
      ask: () => of(commands.approvals()),
      told: watcher,
      failed: () => watcher([]),
    })
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
  throw new Refused(failureIn(given.error))
}

async function done(answer: Promise<Answer<unknown>>): Promise<void> {
  await of(answer)
}
