import { expect, it, vi } from 'vitest'
import { text } from '../text'
import { Refused } from './backend'
import { doctor } from './sidecar'

const core = vi.hoisted(() => ({ events: [] as unknown[] }))

vi.mock('@tauri-apps/api/core', () => ({
  Channel: class {
    onmessage: (event: unknown) => void = () => undefined
  },
  invoke: async (_: string, { onEvent }: { onEvent: { onmessage: (event: unknown) => void } }) => {
    for (const event of core.events) onEvent.onmessage(event)
  },
}))

const failureAfter = async (...events: unknown[]) => {
  core.events = events
  const error: unknown = await doctor().then(
    () => null,
    (error: unknown) => error,
  )
  return error instanceof Refused ? error.failure : error
}

it('a command that breaks off without an end is told', async () => {
  expect(await failureAfter({ event: 'Error', payload: 'broken pipe' })).toBe(text.failures.commandBroke)
})

it('the failure that the command prints is told, and lines of its log are not', async () => {
  const printed = { code: 'keychain', message: 'It is locked.', next_step: 'Unlock it.' }
  expect(
    await failureAfter(
      { event: 'Stderr', payload: JSON.stringify(printed) },
      { event: 'Stderr', payload: JSON.stringify({ level: 'WARN' }) },
      { event: 'Terminated', payload: { code: 1 } },
    ),
  ).toEqual({ code: 'keychain', sentence: 'It is locked.', nextStep: 'Unlock it.' })
})
