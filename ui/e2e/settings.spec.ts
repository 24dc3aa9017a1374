/** Settings: colours, and the local HTTP endpoint with its clients. */

import { expect, test } from './support'

test('every account is signed out at once, after a question', async ({ window, host, drawbridge }) => {
  const { page } = window
  await window.add(host.addresses.demo, 'tickets')
  await window.signIn(() => page.getByRole('button', { name: 'Sign in' }).click())
  await window.open('Settings')
  const said = (words: string) => page.getByRole('status').filter({ hasText: words })
  await page.getByRole('button', { name: 'Sign out of every account' }).click()
  const question = page.getByRole('dialog', { name: 'Sign out of every account?' })
  await window.expectAccessible()
  await question.getByRole('button', { name: 'Sign out' }).click()
  await expect(said('Signed out of 1 account.')).toHaveCount(1)
  const [account] = JSON.parse(await drawbridge('show', 'tickets', '--json')).accounts
  expect(account.state.kind).toBe('signedOut')
})

test('a client gets a token that works, once, and loses it', async ({ window, host, drawbridge }) => {
  const { page } = window
  await drawbridge('add', 'open', host.addresses.open)
  await window.open('Settings')
  await expect(page.getByText('Off. No port is open.')).toBeVisible()
  await expect(page.getByText('No client has a token.')).toBeVisible()
  await window.expectAccessible()

  await page.getByRole('button', { name: 'Give a client a token' }).click()
  await page.getByRole('button', { name: 'Make the token' }).click()
  await expect(page.getByText('Use letters')).toBeVisible()
  await page.getByLabel('Name of the client').fill('cursor')
  await page.getByLabel('Only these').check()
  await page.getByRole('button', { name: 'Make the token' }).click()
  await expect(page.getByText('Choose at least one server.')).toBeVisible()
  await window.expectAccessible()
  await page.getByLabel('open', { exact: true }).check()
  await page.getByRole('button', { name: 'Make the token' }).click()

  const shown = page.getByRole('region', { name: 'The token of cursor' })
  await expect(shown).toBeVisible()
  await window.expectAccessible()
  const address = await shown.getByRole('group', { name: 'Address' }).innerText()
  const token = await shown.getByRole('group', { name: 'Token', exact: true }).innerText()
  const ask = () =>
    fetch(address, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: {
          protocolVersion: '2025-06-18',
          capabilities: {},
          clientInfo: { name: 'test', version: '1' },
        },
      }),
    }).then(
      (answer) => answer.status,
      () => 0,
    )
  expect(await ask()).toBe(200)
  await shown.getByRole('button', { name: 'I have put it in' }).click()
  await expect(shown).toHaveCount(0)
  expect(await page.content()).not.toContain(token)

  await page.getByRole('button', { name: 'Take back the token of cursor' }).click()
  const question = page.getByRole('dialog')
  await question.getByRole('button', { name: 'Take the token back' }).click()
  await expect(page.getByText('No client has a token.')).toBeVisible()
  await expect(page.getByText('Off. No port is open.')).toBeVisible()
  expect(await ask()).toBe(0)
})

test('the proxies are shown, with where they are set', async ({ window, host, drawbridge }) => {
  const { page } = window
  await drawbridge('add', 'open', host.addresses.open, '--proxy', 'http://proxy.example:3128')
  await window.open('Settings')
  const proxies = page.getByRole('region', { name: 'Proxy' })
  await expect(proxies).toContainText('HTTPS_PROXY')
  await expect(proxies.getByRole('listitem')).toContainText('http://proxy.example:3128')
  await proxies.getByRole('link', { name: 'open' }).click()
  await expect(window.heading('open')).toBeVisible()
})

test('a client that the command line added shows at once', async ({ window, drawbridge }) => {
  const { page } = window
  await window.open('Settings')
  await expect(page.getByText('No client has a token.')).toBeVisible()
  await drawbridge('clients', 'add', 'cursor', '--all')
  await expect(page.getByRole('listitem').filter({ hasText: 'cursor' })).toContainText('May use all servers')
  await window.expectAccessible()
})

test('the colours that were chosen stay', async ({ window }) => {
  const { page } = window
  await window.open('Settings')
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const light = await background()
  await page.getByRole('radio', { name: 'Dark' }).check({ force: true })
  await expect.poll(background).not.toBe(light)
  const dark = await background()
  await page.reload()
  await expect(page.getByRole('radio', { name: 'Dark' })).toBeChecked()
  await expect.poll(background).toBe(dark)
})

test('a pause shows in every view, whoever wished it', async ({ window, host, drawbridge }) => {
  const { page } = window
  await drawbridge('add', 'open', host.addresses.open)
  await window.open('Settings')
  const all = page.getByRole('switch', { name: 'Leave all servers alone' })
  await all.check()
  const notice = page.getByRole('status').filter({ hasText: 'Drawbridge is paused' })
  await expect(notice).toBeVisible()
  expect(await drawbridge('status')).toContain('drawbridge resume')
  await window.open('Servers')
  await expect(notice).toBeVisible()
  await window.expectAccessible()
  await notice.getByRole('button', { name: 'Resume' }).click()
  await expect(notice).toHaveCount(0)

  await drawbridge('pause')
  await expect(notice).toBeVisible()
  await window.open('Settings')
  await expect(all).toBeChecked()
  await drawbridge('resume')
  await expect(all).not.toBeChecked()
})
