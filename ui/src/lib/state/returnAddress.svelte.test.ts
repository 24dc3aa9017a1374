import { expect, it } from 'vitest'
import { Announcer } from './announcer.svelte'
import { ReturnAddress } from './returnAddress.svelte'
import { FakeBackend, failure } from './testing'

const ADDRESS = 'http://127.0.0.1:4123/callback?code=marked'

function start() {
  const fake = new FakeBackend()
  const announcer = new Announcer()
  const address = new ReturnAddress(fake.backend, announcer, 'tickets', 'work')
  return { fake, announcer, address }
}

it('an address is handed over, told of and not kept', async () => {
  const { fake, announcer, address } = start()
  address.pasted = ADDRESS
  const handed = address.hand()
  expect(address.pasted).toBe('')
  await handed
  expect(fake.redirects).toEqual([['tickets', 'work', ADDRESS]])
  expect(announcer.message).toBe('The address was taken. The sign-in goes on.')
})

it('one that does not fit is not kept either, and another can follow', async () => {
  const { fake, announcer, address } = start()
  fake.redirectFails = failure('sign_in_failed')
  address.pasted = ADDRESS
  await address.hand()
  expect([address.pasted, announcer.message]).toEqual(['', ''])
  expect(address.handing.failure).toEqual(failure('sign_in_failed'))
  fake.redirectFails = null
  address.pasted = ADDRESS
  await address.hand()
  expect(address.handing.failure).toBeNull()
  expect(fake.redirects).toHaveLength(2)
})

it('what is pasted while another one is looked at stays until it can go', async () => {
  const { fake, address } = start()
  const first = address.hand()
  address.pasted = ADDRESS
  await address.hand()
  await first
  expect(address.pasted).toBe(ADDRESS)
  expect(fake.redirects).toHaveLength(1)
})
