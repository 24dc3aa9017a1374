import { describe, expect, it } from 'vitest'
import { follow } from './follow'

/** A source whose answer and changes come when they are told to. */
function source() {
  const told: unknown[] = []
  const stopped: string[] = []
  let change: (value: string) => void = () => undefined
  let answer: (value: string) => void = () => undefined
  let refuse: (error: unknown) => void = () => undefined
  const asked = new Promise<string>((resolve, reject) => ([answer, refuse] = [resolve, reject]))
  const stop = follow<string>({
    listen: async (changed) => {
      change = changed
      return () => void stopped.push('listening')
    },
    ask: () => asked,
    told: (value) => void told.push(value),
    failed: (error) => void told.push(error),
  })
  const settled = () => new Promise((resolve) => setTimeout(resolve))
  return {
    told,
    stopped,
    stop,
    settled,
    change: (value: string) => change(value),
    answer: (value: string) => answer(value),
    refuse: (error: unknown) => refuse(error),
  }
}

describe('what is followed', () => {
  it('is told as it is, and at every change', async () => {
    const { told, settled, answer, change } = source()
    answer('first')
    await settled()
    change('second')
    expect(told).toEqual(['first', 'second'])
  })

  it('is not told as it was before a change', async () => {
    const { told, settled, answer, change } = source()
    change('new')
    answer('old')
    await settled()
    expect(told).toEqual(['new'])
  })

  it('cannot be asked for any more once it has been told', async () => {
    const [late, early] = [source(), source()]
    late.change('new')
    late.refuse('gone')
    early.refuse('gone')
    await late.settled()
    expect([late.told, early.told]).toEqual([['new'], ['gone']])
  })

  it('is told no more after the end', async () => {
    const { told, stopped, settled, stop, answer, change } = source()
    stop()
    answer('first')
    change('second')
    await settled()
    expect([told, stopped]).toEqual([[], ['listening']])
  })
})
