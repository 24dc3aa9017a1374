import { expect, it } from 'vitest'
import { Refused, type Desktop } from '../backend/backend'
import type { AppSettings } from '../backend/bindings'
import { DesktopSettings } from './desktop.svelte'
import { failure } from './testing'

function start() {
  const app = { autostart: false, startHidden: true, notifications: true, theme: 'system' } as AppSettings
  let isRefused = false
  const desktop = {
    about: async () => ({ version: '1', tray: true, logsFolder: '/logs', keepsProfiles: true }),
    settings: async () => ({ ...app }),
    change: async (settings: AppSettings) => {
      if (isRefused) throw new Refused(failure('internal'))
      return { ...Object.assign(app, settings) }
    },
  }
  const refuse = () => (isRefused = true)
  return { app, refuse, page: new DesktopSettings(desktop as unknown as Desktop) }
}

it('a change leaves alone what was changed elsewhere meanwhile', async () => {
  const { app, page } = start()
  await page.load()
  app.autostart = true
  expect(await page.change({ notifications: false })).toBe(true)
  expect(app).toEqual({ autostart: true, startHidden: true, notifications: false, theme: 'system' })
  expect(page.settings).toEqual(app)
})

it('changes that come at once are all made', async () => {
  const { app, page } = start()
  await page.load()
  expect(await Promise.all([page.change({ theme: 'dark' }), page.change({ autostart: true })])).toEqual([
    true,
    true,
  ])
  expect([app.theme, app.autostart]).toEqual(['dark', true])
})

it('a change that is refused shows how it is', async () => {
  const { refuse, page } = start()
  await page.load()
  refuse()
  expect(await page.change({ theme: 'dark' })).toBe(false)
  expect([page.settings?.theme, page.work.failure?.code]).toEqual(['system', 'internal'])
})
