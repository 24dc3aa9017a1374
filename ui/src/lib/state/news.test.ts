import { expect, it } from 'vitest'
import type { StatusView } from '../backend/bindings'
import { mayKnowMore } from './news'
import { serverView } from './testing'

function status(more: Partial<StatusView> = {}): StatusView {
  const servers = [serverView('tickets'), serverView('wiki')]
  return { version: '1', pid: 1, sessions: 0, secrets: { kind: 'ready' }, warnings: [], servers, ...more }
}

it('the first status, and another state of the server, may bring something', () => {
  expect(mayKnowMore(null, status(), 'tickets')).toBe(true)
  const servers = [{ ...serverView('tickets'), bearer: true }, serverView('wiki')]
  expect(mayKnowMore(status(), status({ servers }), 'tickets')).toBe(true)
  expect(mayKnowMore(status(), status({ servers, sessions: 1 }), 'tickets')).toBe(true)
})

it('what has nothing to do with the server brings nothing', () => {
  expect(mayKnowMore(status(), status({ sessions: 1 }), 'tickets')).toBe(false)
  expect(mayKnowMore(status(), status({ paused: true }), 'tickets')).toBe(false)
  const servers = [serverView('tickets'), { ...serverView('wiki'), bearer: true }]
  expect(mayKnowMore(status(), status({ servers }), 'tickets')).toBe(false)
})

it('a status that is told again tells of tools', () => {
  expect(mayKnowMore(status(), status(), 'tickets')).toBe(true)
  expect(mayKnowMore(status(), status({ secrets: { kind: 'locked', why: 'x' } }), 'tickets')).toBe(true)
})
