import { expect, it } from 'vitest'
import { latest } from './latest'

/** Grants that end when they are told to. */
function slow() {
  const asked: number[] = []
  const ends: ((isGranted: boolean) => void)[] = []
  const ask = latest((wish: number) => {
    asked.push(wish)
    return new Promise<boolean>((resolve) => ends.push(resolve))
  })
  const end = async (isGranted: boolean) => {
    ends.shift()?.(isGranted)
    await new Promise((resolve) => setTimeout(resolve))
  }
  return { asked, ask, end }
}

it('of the wishes that come while one is granted, the last counts', async () => {
  const { asked, ask, end } = slow()
  const first = ask(1)
  expect([await ask(2), await ask(3), asked]).toEqual([true, true, [1]])
  await end(false)
  expect(asked).toEqual([1, 3])
  await end(true)
  expect(await first).toBe(true)
})

it('a wish that cannot be granted says so, and the next is asked for anew', async () => {
  const { asked, ask, end } = slow()
  const first = ask(1)
  await end(false)
  expect(await first).toBe(false)
  const second = ask(1)
  await end(true)
  expect([await second, asked]).toEqual([true, [1, 1]])
})
