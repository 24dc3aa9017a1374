import { expect, it } from 'vitest'
import { Refused, type Desktop } from '../backend/backend'
import type { About } from '../backend/bindings'
import { AboutApp } from './aboutApp.svelte'
import { failure } from './testing'

const app = (about: () => Promise<Partial<About>>) => ({ about }) as unknown as Desktop
const refused = () => Promise.reject(new Refused(failure('internal')))

async function started(desktop: Desktop | null): Promise<AboutApp> {
  const about = new AboutApp(desktop)
  await about.look()
  return about
}

it('offers to keep profiles only where the app can', async () => {
  for (const [desktop, offered] of [
    [app(async () => ({ keepsProfiles: true })), true],
    [app(async () => ({ keepsProfiles: false })), false],
    [app(refused), false],
    [null, false],
  ] as const) {
    expect((await started(desktop)).keepsProfiles).toBe(offered)
  }
})

it('tells that there is no tray until the person knows, and nowhere else', async () => {
  for (const [desktop, told] of [
    [app(async () => ({ tray: false })), true],
    [app(async () => ({ tray: true })), false],
    [app(refused), false],
    [null, false],
  ] as const) {
    const about = await started(desktop)
    expect(about.tellsOfNoTray).toBe(told)
    about.understandTray()
    expect(about.tellsOfNoTray).toBe(false)
  }
})

it('tells it no more once a panel has taken the icon', async () => {
  let tray = false
  const about = await started(app(async () => ({ tray })))
  expect(about.tellsOfNoTray).toBe(true)
  tray = true
  await about.look()
  expect(about.tellsOfNoTray).toBe(false)
})
