import { flushSync } from 'svelte'
import { expect, it } from 'vitest'
import { Refused } from '../backend/backend'
import { failure } from './testing'
import { Work } from './work.svelte'

it('work is done once at a time, and says why it failed until the next', async () => {
  const work = new Work()
  let end: () => void = () => undefined
  const first = work.run(() => new Promise<void>((resolve) => (end = resolve)))
  expect([work.isBusy, await work.run(async () => 2)]).toEqual([true, null])
  end()
  await first
  expect(await work.run(() => Promise.reject(new Refused(failure('tls'))))).toBeNull()
  expect([work.isBusy, work.failure?.code]).toEqual([false, 'tls'])
  expect(await work.run(async () => 3)).toEqual({ done: 3 })
  expect(work.failure).toBeNull()
})

it('work that ends is no reason for an effect to begin it again', async () => {
  const work = new Work()
  let begun = 0
  let last: Promise<unknown> = Promise.resolve()
  const stop = $effect.root(() => {
    $effect(() => {
      begun++
      last = work.run(async () => undefined)
    })
  })
  flushSync()
  await last
  flushSync()
  stop()
  expect(begun).toBe(1)
})

it('work that is done in turn waits for what was asked for before', async () => {
  const work = new Work()
  const done: number[] = []
  let end: () => void = () => undefined
  const first = work.inTurn(() =>
    new Promise<void>((resolve) => (end = resolve)).then(() => void done.push(1)),
  )
  const refused = work.inTurn(() => Promise.reject(new Refused(failure('tls'))))
  const last = work.inTurn(async () => done.push(2))
  await Promise.resolve()
  end()
  expect([await first, await refused, await last]).toEqual([{ done: undefined }, null, { done: 2 }])
  expect(done).toEqual([1, 2])
})
