/** Pictures of every view, in light and in dark, for the README and for whoever designs them. */

import type { Locator } from '@playwright/test'
import { expect, test, type World } from '../played'
import type { Window } from '../support'
import { fresh, lived, loading, NOW, paused } from './world'

const FOLDER = process.env.PICTURES ?? '../docs/screenshots'
const WIDTH = 1000
/** What is left around a part of a page. */
const MARGIN = 20

/** Takes the pictures of one theme. */
class Camera {
  constructor(
    private readonly window: Window,
    private readonly theme: string,
  ) {}

  /** The whole window, as high as its view is. */
  async view(name: string, lowest?: Locator): Promise<void> {
    const { page } = this.window
    await this.ready()
    const end = await page.locator('.page').evaluate((element) => element.getBoundingClientRect().bottom)
    const box = await lowest?.boundingBox()
    const height = Math.ceil(box ? box.y + box.height + MARGIN : Math.max(end, 560))
    await page.setViewportSize({ width: WIDTH, height })
    await page.screenshot({ path: this.path(name) })
  }

  /** One part of a page, whole. */
  async part(name: string, part: Locator): Promise<void> {
    await this.ready()
    const box = await part.boundingBox()
    if (!box) throw new Error(`${name} is not to be seen`)
    const clip = {
      x: box.x - MARGIN,
      y: box.y - MARGIN,
      width: box.width + 2 * MARGIN,
      height: box.height + 2 * MARGIN,
    }
    await this.window.page.screenshot({ path: this.path(name), clip })
  }

  /** Nothing has the focus or is pointed at, and everything has room. */
  private async ready(): Promise<void> {
    const { page } = this.window
    await page.setViewportSize({ width: WIDTH, height: 4000 })
    await page.mouse.move(0, 0)
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur())
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  }

  private path(name: string): string {
    return `${FOLDER}/${name}-${this.theme}.png`
  }
}

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({
      viewport: { width: WIDTH, height: 720 },
      deviceScaleFactor: 2,
      colorScheme: theme,
      contextOptions: { reducedMotion: 'reduce' },
    })

    /** Opens the window at the time of the pictures. */
    const started = async (open: (world: World) => Promise<Window>, world: World) => {
      const window = await open(world)
      return { window, page: window.page, camera: new Camera(window, theme) }
    }

    test.beforeEach(({ page }) => page.clock.setFixedTime(NOW))

    test('adding a server', async ({ open }) => {
      const { window, page, camera } = await started(open, fresh)
      await expect(page.getByRole('heading', { name: 'No servers yet' })).toBeVisible()
      await camera.view('empty')
      await window.open('Add a server')
      const line = 'npx -y mcp-remote https://mcp.example.com/mcp'
      await page.getByLabel('Paste the server’s address').fill(line)
      await page.getByLabel('Name', { exact: true }).fill('tickets')
      await camera.view('add')
      await page.getByRole('button', { name: 'Add the server' }).click()
      await expect(page.getByRole('heading', { name: 'tickets wants you to sign in' })).toBeVisible()
      await camera.view('add-sign-in')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await expect(page.getByRole('heading', { name: 'tickets is ready' })).toBeVisible()
      await camera.view('add-ready')
    })

    test('using it', async ({ open }) => {
      const { window, page, camera } = await started(open, { ...lived, approvals: [] })
      await expect(page.getByRole('link', { name: 'intranet' })).toBeVisible()
      await camera.view('servers')
      await page.getByRole('link', { name: 'tickets' }).click()
      const region = (name: string) => page.getByRole('region', { name, exact: true })
      await expect(region('1 tool of tickets@work is held back')).toBeVisible()
      await camera.view('server', region('Accounts'))
      await camera.part('server-held', region('1 tool of tickets@work is held back'))
      await camera.part('server-tools', region('Tools'))
      await camera.part('server-connection', region('Connection'))
      await region('Connection').getByRole('button', { name: 'Change' }).click()
      await camera.part('server-edit', region('Connection'))
      await region('Connection').getByRole('button', { name: 'Cancel' }).click()
      await region('Does it work?').getByRole('button', { name: 'Check every step' }).click()
      await expect(region('Does it work?').getByRole('status')).toContainText('Every step works.')
      await camera.part('server-check', region('Does it work?'))
      await window.open('Servers')
      await page.getByRole('link', { name: 'intranet' }).click()
      await expect(page.getByRole('alert')).toBeVisible()
      await camera.view('server-error', region('Accounts'))
      await window.open('Settings')
      await expect(page.getByRole('listitem').filter({ hasText: 'cursor' })).toBeVisible()
      await camera.view('settings', region('Pause'))
      await camera.part('settings-clients', region('Clients that speak HTTP'))
      await camera.part('settings-proxy', region('Proxy'))
      await region('Does everything work?').getByRole('button', { name: 'Check everything' }).click()
      await expect(region('Does everything work?').getByRole('list')).toContainText('tickets')
      await camera.part('settings-check', region('Does everything work?'))
      await camera.part('settings-about', region('About'))
    })

    test('what comes in between', async ({ open }) => {
      const { page, camera } = await started(open, lived)
      await page.getByRole('link', { name: 'Answer' }).click()
      await expect(page.getByRole('button', { name: 'Allow', exact: true })).toBeEnabled()
      await camera.view('questions')
    })

    test('a pause', async ({ open }) => {
      const { page, camera } = await started(open, paused)
      await expect(page.getByRole('status').filter({ hasText: 'Drawbridge is paused' })).toBeVisible()
      await camera.view('paused')
    })

    test('the beginning', async ({ open }) => {
      const { page, camera } = await started(open, loading)
      await expect(page.getByText('Loading your servers…')).toBeVisible()
      await camera.view('loading')
    })
  })
}
