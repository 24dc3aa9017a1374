import { expect, it } from 'vitest'
import { text } from '../text'
import { Announcer } from './announcer.svelte'
import { HostState } from './host.svelte'
import { HostProxy } from './hostProxy.svelte'
import { failure, FakeBackend } from './testing'

function opened() {
  const fake = new FakeBackend()
  const [host, announcer] = [new HostState(fake.backend), new Announcer()]
  const proxy = new HostProxy(fake.backend, host, announcer)
  host.start()
  return { fake, announcer, proxy }
}

it('shows the proxy that the Host uses, unless another is being typed', () => {
  const { fake, proxy } = opened()
  expect([proxy.present, proxy.address]).toEqual([null, ''])
  fake.proxy = 'http://a.example/'
  fake.tell()
  expect([proxy.present, proxy.address]).toEqual(['http://a.example/', 'http://a.example/'])
  proxy.address = 'http://b'
  fake.tell()
  expect([proxy.present, proxy.address]).toEqual(['http://a.example/', 'http://b'])
})

it('saves what was typed, says so, and goes back to what the computer is set up with', async () => {
  const { fake, announcer, proxy } = opened()
  proxy.address = ' http://a.example '
  expect(await proxy.save()).toBe(true)
  expect([fake.proxy, announcer.message]).toEqual(['http://a.example', text.settings.proxySaved])
  fake.proxy = 'http://other.example/'
  fake.tell()
  expect(proxy.address).toBe('http://other.example/')

  proxy.address = 'half typ'
  expect(await proxy.clear()).toBe(true)
  expect([fake.proxy, proxy.address, announcer.message]).toEqual([null, '', text.settings.proxyCleared])

  fake.proxy = 'http://a.example/'
  fake.tell()
  proxy.address = ' '
  expect(await proxy.save()).toBe(true)
  expect([fake.proxy, announcer.message]).toEqual([null, text.settings.proxyCleared + '\u00a0'])
})

it('shows what was saved at once, until the Host tells what it uses', async () => {
  const { fake, proxy } = opened()
  const shown = () => [proxy.present, proxy.address]
  proxy.address = ' http://a.example '
  await proxy.save()
  expect(shown()).toEqual(['http://a.example', 'http://a.example'])
  fake.proxy = 'http://a.example/'
  fake.tell()
  expect(shown()).toEqual(['http://a.example/', 'http://a.example/'])
  await proxy.clear()
  expect(shown()).toEqual([null, ''])
})

it('shows what the Host told while it saved', async () => {
  const { fake, proxy } = opened()
  proxy.address = 'http://a.example'
  const saved = proxy.save()
  fake.proxy = 'http://a.example/'
  fake.tell()
  await saved
  expect(proxy.address).toBe('http://a.example/')
})

it('keeps what was typed where it is refused', async () => {
  const { fake, announcer, proxy } = opened()
  fake.proxyFails = failure('invalid')
  proxy.address = 'nonsense'
  expect(await proxy.save()).toBe(false)
  expect([proxy.present, proxy.address]).toEqual([null, 'nonsense'])
  expect([proxy.saving.failure?.code, announcer.message]).toEqual(['invalid', ''])
})
