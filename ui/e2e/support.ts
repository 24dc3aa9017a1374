/** A Host of its own for every test, two demo servers, and the window in a browser. */

import { execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import AxeBuilder from '@axe-core/playwright'
import { test as base, expect, type BrowserContext, type Page } from '@playwright/test'

const execute = promisify(execFile)
const BUILT = process.env.BUILT ?? '../target/debug'
const PROGRAM = `${BUILT}/drawbridge`

/** What `tests/ui-host` prints. */
interface Addresses {
  /** The window, with its one-time token. */
  url: string
  home: string
  /** A server that wants a sign-in. */
  demo: string
  /** A server that wants none. */
  open: string
  /** Where the first one is steered. */
  control: string
}

/** In the page: resolves once no colour is on its way to another. */
async function settled(): Promise<void> {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  // What is folded away stands still, so its changes never end.
  const seen = document
    .getAnimations()
    .filter(({ effect }) =>
      (effect as KeyframeEffect | null)?.target?.checkVisibility({ contentVisibilityAuto: true }),
    )
  await Promise.allSettled(seen.map((animation) => animation.finished))
}

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

export class Host {
  private constructor(
    readonly addresses: Addresses,
    private readonly end: () => Promise<void>,
  ) {}

  static async start(): Promise<Host> {
    const program = `${BUILT}/ui-host`
    const child = spawn(program, ['--pages', 'dist'], { stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const [line] = await Promise.race([
      new Promise<string[]>((resolve) =>
        createInterface(child.stdout).once('line', (line) => resolve([line])),
      ),
      ended.then((): string[] => []),
    ])
    if (!line) throw new Error(`${program} ended before it listened`)
    const end = async () => {
      child.stdin.end()
      await ended
    }
    return new Host(JSON.parse(line) as Addresses, end)
  }

  /** Has the demo server do something, as its control port names it. */
  async steer(what: string, body?: string): Promise<void> {
    const answer = await fetch(new URL(`control/${what}`, this.addresses.control), { method: 'POST', body })
    if (!answer.ok) throw new Error(`${what}: ${answer.status}`)
  }

  async stop(): Promise<void> {
    await this.end()
  }
}

/** The window, as a person sees it. */
export class Window {
  constructor(
    readonly page: Page,
    readonly context: BrowserContext,
  ) {}

  heading(name: string) {
    return this.page.getByRole('heading', { level: 1, name })
  }

  async open(view: 'Servers' | 'Settings' | 'Add a server'): Promise<void> {
    await this.page.getByRole('navigation').getByRole('link', { name: view }).click()
  }

  /** Shows a view as the tray does (`src-tauri/src/window.rs`). */
  async show(route: string): Promise<void> {
    await this.page.evaluate((route) => {
      const before = location.hash
      location.hash = route
      if (location.hash === before) dispatchEvent(new Event('hashchange'))
    }, route)
  }

  /** Adds a server by its address and stays at what came of it. */
  async add(address: string, name: string): Promise<void> {
    await this.open('Add a server')
    await this.page.getByLabel('Paste the server’s address').fill(address)
    await this.page.getByLabel('Name', { exact: true }).fill(name)
    await this.page.getByRole('button', { name: 'Add the server' }).click()
  }

  /** Presses a button that opens a sign-in page, and signs in there. */
  async signIn(press: () => Promise<void>, user = 'demo', password = 'demo123'): Promise<void> {
    const opened = this.context.waitForEvent('page')
    await press()
    const form = await opened
    await form.getByLabel('User name').fill(user)
    await form.getByLabel('Password').fill(password)
    await form.getByRole('button', { name: 'Allow' }).click()
    await expect(form.getByRole('heading', { level: 1 })).toBeVisible()
    await form.close()
  }

  /** Presses a button that opens a sign-in page, and signs in as if on another computer; where its browser ends. */
  async signInElsewhere(press: () => Promise<void>): Promise<string> {
    const opened = this.context.waitForEvent('page')
    await press()
    const form = await opened
    await form.getByLabel('User name').fill('demo')
    await form.getByLabel('Password').fill('demo123')
    let address = ''
    // There, nobody listens where the browser is sent at last.
    await form.route('**', async (route) => {
      const answer = await route.fetch({ maxRedirects: 0 })
      address = answer.headers().location ?? ''
      await route.fulfill({ status: 502 })
    })
    await form.getByRole('button', { name: 'Allow' }).click()
    await expect.poll(() => address).toContain('code=')
    await form.close()
    return address
  }

  /** No accessibility rule that a program can check is broken. */
  async expectAccessible(): Promise<void> {
    for (const colorScheme of ['dark', 'light'] as const) {
      await this.page.emulateMedia({ colorScheme })
      await this.page.evaluate(settled)
      const found = await new AxeBuilder({ page: this.page }).withTags(RULES).analyze()
      const told = found.violations.map(({ id, nodes }) => ({ id, at: nodes.map((node) => node.html) }))
      expect(told, colorScheme).toEqual([])
    }
  }
}

interface Fixtures {
  host: Host
  window: Window
  /** Runs a verb of the command line against the same Host; what it prints. */
  drawbridge: (...args: string[]) => Promise<string>
}

export const test = base.extend<Fixtures>({
  // eslint-disable-next-line no-empty-pattern -- Playwright reads the names of the fixtures from it
  host: async ({}, use) => {
    const host = await Host.start()
    await use(host)
    await host.stop()
  },
  window: async ({ page, context, host }, use) => {
    const wrong: string[] = []
    page.on('pageerror', (error) => wrong.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error' && /Content Security Policy/.test(message.text()))
        wrong.push(message.text())
    })
    await page.goto(host.addresses.url)
    await use(new Window(page, context))
    expect(wrong).toEqual([])
  },
  drawbridge: async ({ host }, use) => {
    const env = { PATH: process.env.PATH, HOME: host.addresses.home, DRAWBRIDGE_HOME: host.addresses.home }
    await use(async (...args) => (await execute(PROGRAM, args, { env })).stdout)
  },
})

export { expect }
