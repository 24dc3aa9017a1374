import { expect, it } from 'vitest'
import { ServerPage } from './serverPage.svelte'
import type { AccountStateView, DetailsView } from '../backend/bindings'
import { failure, FakeBackend, serverView } from './testing'

const signedIn: AccountStateView = { kind: 'signedIn', expires: null, scopes: [], identity: null }

function details(server: string): DetailsView {
  const nothing = {
    serverVersion: null,
    protocolVersion: null,
    instructions: null,
    era: null,
    transport: null,
  }
  return { server, tools: [], ...nothing }
}

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

it('what was said is known of every account, or why it is not', async () => {
  const fake = new FakeBackend()
  let answer: (details: DetailsView) => void = () => undefined
  fake.said = { work: details('Work'), home: new Promise((resolve) => (answer = resolve)) }
  const page = new ServerPage(fake.backend, 'tickets')
  const loading = page.load('work', ['work', 'home', 'gone'])
  expect(page.said).toEqual({})
  answer(details('Home'))
  await loading
  expect(page.said.work?.details?.server).toBe('Work')
  expect(page.said.home?.details?.server).toBe('Home')
  expect(page.said.gone).toEqual({ details: null, failure: failure('unknown') })

  fake.said.gone = details('Here again')
  await page.loadAgain()
  expect(page.said.gone?.details?.server).toBe('Here again')
})

it('the usual account is shown until another is chosen, and once that is gone', async () => {
  const fake = new FakeBackend()
  const page = new ServerPage(fake.backend, 'tickets')
  const server = serverView('tickets', { default: signedIn, home: signedIn })
  expect(page.accountOf(server)).toBe('default')
  await page.look('default')
  page.choose('home')
  expect(page.accountOf(server)).toBe('home')
  expect(page.probe).toBeNull()
  expect(page.accountOf(serverView('tickets', { default: signedIn }))).toBe('default')
})

it('a look that ends after another account was chosen says nothing about that one', async () => {
  const fake = new FakeBackend()
  fake.probes = [null, failure('unreachable')]
  const page = new ServerPage(fake.backend, 'tickets')
  for (const account of ['home', 'work']) {
    const looking = page.look('default')
    page.choose(account)
    await looking
    expect([page.probe, page.looking.failure]).toEqual([null, null])
  }
})

it('what is wrong is told as the account that is shown sees it', async () => {
  const page = await lookedAt('unreachable')
  const tls = failure('tls')
  const server = serverView('tickets', { default: signedIn, home: { kind: 'failed', failure: tls } })
  expect(page.wrong(server)?.code).toBe('unreachable')
  page.choose('home')
  expect(page.wrong(server)).toBe(tls)
  expect((await lookedAt('signed_out')).wrong(server)).toBeNull()
})
