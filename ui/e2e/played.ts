/** The app's side of the window, played in the page: its commands, its events, and a Host with what the test wants. */

import type {
  About,
  AppSettings,
  ApprovalView,
  Changes,
  Checkup,
  ClientsView,
  DetailsView,
  Failure,
  NewClient,
  ProbeView,
  ServerView,
  StatusView,
} from '../src/lib/backend/bindings'
import { expect, test as base, Window as Shown } from './support'

/** What is played. */
export interface World {
  status: StatusView
  about: About
  settings: AppSettings
  approvals: ApprovalView[]
  clients: ClientsView
  /** What was last said to an account, by `server@account`. */
  details: Record<string, DetailsView>
  /** What is known where nothing was said. */
  unsaid: DetailsView
  /** What the next server is once it was added. */
  added: ServerView | null
  /** What the next probes come to. */
  probes: (ProbeView | Failure)[]
  /** A server's state once somebody has signed in. */
  signedIn: ServerView | null
  checkup: Checkup | null
  /** Commands that are refused; with bare text, as Tauri itself does it. */
  refused: Record<string, Failure | string>
  /** Commands that are never answered. */
  silent: string[]
}

/** The arguments of every command that is played. */
interface Asked {
  event: string
  handler: number
  id: number
  settings: AppSettings
  name: string
  label: string
  changes: Changes
  client: NewClient
  server: string
  onEvent: { id: number }
}

interface Played {
  asked: [command: string, args: Asked][]
  world: World
  tell(event: string, payload: unknown): void
}

declare global {
  interface Window {
    played: Played
  }
}

/** A new app on a desktop without a tray. */
export function world(more: Partial<World> = {}): World {
  return {
    status: {
      version: '0.1.0',
      pid: 4211,
      sessions: 2,
      secrets: { kind: 'ready' },
      http: { kind: 'off' },
      warnings: [],
      command: '/usr/bin/drawbridge',
      servers: [],
    },
    about: {
      version: '0.1.0',
      tray: false,
      logsFolder: '/home/ana/.local/state/drawbridge/logs',
      keepsProfiles: true,
    },
    settings: { autostart: false, startHidden: true, notifications: true, theme: 'system' },
    approvals: [],
    clients: { endpoint: { kind: 'off' }, clients: [] },
    details: {},
    unsaid: {
      server: null,
      serverVersion: null,
      protocolVersion: null,
      instructions: null,
      era: null,
      transport: null,
      tools: null,
    },
    added: null,
    probes: [],
    signedIn: null,
    checkup: null,
    refused: {},
    silent: [],
    ...more,
  }
}

/** Runs in the page, before its own code. */
function play(world: World) {
  const callbacks = new Map<number, (message: unknown) => void>()
  const listeners = new Map<string, number>()
  const played: Window['played'] = {
    asked: [],
    world,
    tell: (event, payload) => callbacks.get(listeners.get(event) ?? -1)?.({ event, id: 0, payload }),
  }
  const { status } = world
  const put = (server: ServerView) => {
    const others = status.servers.filter(({ name }) => name !== server.name)
    status.servers = [...others, server]
    played.tell('status-changed', { ...status })
    return server
  }
  const edit = ({ name, changes }: Asked) => {
    const [server] = status.servers.filter((server) => server.name === name)
    if (!server) throw new Error(`there is no ${name}`)
    const kept = changes.keepProfile
    const dropped = changes.unset?.map((option) => (typeof option === 'object' ? option.keep_profile : null))
    const accounts = server.accounts.map((account) => {
      if (account.label === kept) return { ...account, keepsProfile: true }
      return dropped?.includes(account.label) ? { ...account, keepsProfile: false } : account
    })
    return { server: put({ ...server, accounts }), secretsDropped: false }
  }
  const answers: Record<string, (args: Asked) => unknown> = {
    status: () => ({ ...status }),
    clients: () => world.clients,
    about: () => world.about,
    app_settings: () => ({ ...world.settings }),
    set_app_settings: ({ settings }) => Object.assign(world.settings, settings),
    approvals: () => world.approvals,
    answer_approval: ({ id }) => {
      world.approvals = world.approvals.filter((approval) => approval.id !== id)
      queueMicrotask(() => played.tell('approvals-changed', world.approvals))
      return null
    },
    show_logs: () => null,
    details: ({ server, label }) => world.details[`${server}@${label}`] ?? world.unsaid,
    edit_server: edit,
    add_server: () => world.added && put(world.added),
    probe: () => {
      const came = world.probes.shift()
      if (!came || 'code' in came) throw came
      return came
    },
    remove_account: ({ server: name, label }) => {
      for (const server of status.servers.filter((server) => server.name === name)) {
        put({ ...server, accounts: server.accounts.filter((account) => account.label !== label) })
      }
      return null
    },
    add_client: ({ client: { name, servers, all } }) => {
      const client = { name, servers: servers ?? [], all: all ?? false, created: 0, isValid: true }
      world.clients = { ...world.clients, clients: [...world.clients.clients, client] }
      return world.clients
    },
    revoke_client: ({ name }) => {
      const clients = world.clients.clients.filter((client) => client.name !== name)
      world.clients = { ...world.clients, clients }
      return null
    },
    resume: () => {
      status.paused = false
      played.tell('status-changed', { ...status })
      return null
    },
    cancel_sign_in: () => null,
    sign_out: () => null,
    sign_in: () => world.signedIn && put(world.signedIn) && null,
    'plugin:shell|spawn': ({ onEvent }) => {
      const tell = (index: number, event: string, payload: unknown) =>
        callbacks.get(onEvent.id)?.({ index, message: { event, payload } })
      tell(0, 'Stdout', JSON.stringify(world.checkup))
      tell(1, 'Terminated', { code: 0 })
      return 1
    },
    'plugin:event|listen': (args) => listeners.set(args.event, args.handler) && 0,
    'plugin:event|unlisten': () => null,
  }
  let count = 0
  Object.assign(window, {
    played,
    __TAURI_EVENT_PLUGIN_INTERNALS__: { unregisterListener: () => undefined },
    __TAURI_INTERNALS__: {
      transformCallback: (callback: (message: unknown) => void) => {
        callbacks.set(++count, callback)
        return count
      },
      invoke: async (command: string, args: Asked) => {
        played.asked.push([command, args])
        if (world.silent.includes(command)) return new Promise(() => undefined)
        if (world.refused[command]) throw world.refused[command]
        const answer = answers[command]
        if (!answer) throw new Error(`nobody plays ${command}`)
        return answer(args)
      },
    },
  })
}

export const test = base.extend<{ open: (world: World) => Promise<Shown>; app: Shown }>({
  open: async ({ page, context, host }, use) => {
    await use(async (world) => {
      await page.addInitScript(play, world)
      await page.goto(new URL('/', host.addresses.url).href)
      return new Shown(page, context)
    })
  },
  app: async ({ open }, use) => use(await open(world())),
})

export { expect }
