import { expect, it } from 'vitest'
import { Refused, type Desktop } from '../backend/backend'
import type { About } from '../backend/bindings'
import { Profiles } from './profiles.svelte'
import { failure } from './testing'

const app = (about: () => Promise<Partial<About>>) => ({ about }) as unknown as Desktop

it('is offered only where the app can keep a profile', async () => {
  const refused = () => Promise.reject(new Refused(failure('internal')))
  for (const [desktop, offered] of [
    [app(async () => ({ keepsProfiles: true })), true],
    [app(async () => ({ keepsProfiles: false })), false],
    [app(refused), false],
    [null, false],
  ] as const) {
    const profiles = new Profiles(desktop)
    await profiles.start()
    expect(profiles.canBeKept).toBe(offered)
  }
})
