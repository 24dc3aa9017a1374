import { expect, it } from 'vitest'
import { Announcer } from './announcer.svelte'
import { HostState } from './host.svelte'
import { Pause } from './pause.svelte'
import { failure, FakeBackend } from './testing'

it('shows what the Host says, whoever wished it', async () => {
  const fake = new FakeBackend()
  const [host, announcer] = [new HostState(fake.backend), new Announcer()]
  const pause = new Pause(fake.backend, host, announcer)
  expect(pause.isOn).toBe(false)
  host.start()

  await pause.set(true)
  expect([pause.isOn, announcer.message]).toEqual([true, 'Paused.'])
  fake.paused = false
  fake.tell()
  expect(pause.isOn).toBe(false)

  fake.pauseFails = failure('host_gone')
  await pause.set(true)
  expect([pause.isOn, pause.work.failure?.code, announcer.message]).toEqual([false, 'host_gone', 'Paused.'])
})
