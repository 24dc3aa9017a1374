import { expect, it } from 'vitest'
import { ServerPage } from './serverPage.svelte'
import { failure, FakeBackend } from './testing'

async function lookedAt(code: Parameters<typeof failure>[0]) {
  const fake = new FakeBackend()
  fake.probes = [failure(code)]
  const page = new ServerPage(fake.backend, 'tickets')
  page.stands('bad')
  await page.look('default')
  return page
}

it('what a look found wrong is over once the server stands well again', async () => {
  const page = await lookedAt('unreachable')
  page.stands('bad')
  expect(page.looking.failure?.code).toBe('unreachable')
  page.stands('good')
  expect(page.looking.failure).toBeNull()
})

it('what a look finds wrong at a server that stands well stays', async () => {
  const fake = new FakeBackend()
  fake.probes = [failure('server_error')]
  const page = new ServerPage(fake.backend, 'tickets')
  page.stands('good')
  await page.look('default')
  page.stands('good')
  expect(page.looking.failure?.code).toBe('server_error')
})

it('that a server wants a sign-in is known until somebody signs in', async () => {
  const page = await lookedAt('signed_out')
  page.stands('good')
  expect(page.looking.failure?.code).toBe('signed_out')
})
