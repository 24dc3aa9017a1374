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

test('a proxy for all servers is set, refused in words, and taken back', async ({ window, drawbridge }) => {
  const { page } = window
  await window.open('Settings')
  const region = page.getByRole('region', { name: 'Proxy' })
  const field = region.getByLabel('Proxy for all servers')
  const back = region.getByRole('button', { name: 'As this computer is set up' })
  const said = (words: string) => page.getByRole('status').filter({ hasText: words })
  const kept = async () => JSON.parse(await drawbridge('status', '--json')).proxy
  await expect(back).toHaveCount(0)

  await field.fill('http://me:secret@proxy.example')
  await field.press('Enter')
  await expect(region.getByRole('alert')).toContainText(/no user name or password.*Leave them out/)
  await window.expectAccessible()
  expect(await kept()).toBeNull()

  await field.fill('http://proxy.example:3128')
  await region.getByRole('button', { name: 'Save' }).click()
  await expect(said('Saved. Servers are reached through this proxy')).toHaveCount(1)
  await expect(region.getByRole('alert')).toHaveCount(0)
  await expect(field).toHaveValue('http://proxy.example:3128/')
  expect(await kept()).toBe('http://proxy.example:3128/')
  await window.expectAccessible()

  await back.focus()
  await page.keyboard.press('Enter')
  await expect(said('as this computer is set up again')).toHaveCount(1)
  await expect(field).toHaveValue('')
  await expect(field).toBeFocused()
  await expect(back).toHaveCount(0)
  expect(await kept()).toBeNull()
})

test('the proxies are shown, with where they are set', async ({ window, host, drawbridge }) => {
  const { page } = window
  await drawbridge('add', 'open', host.addresses.open, '--proxy', 'http://proxy.example:3128')
  await window.open('Settings')
  const proxies = page.getByRole('region', { name: 'Proxy' })
  await expect(proxies).toContainText('HTTPS_PROXY')
  await expect(proxies.getByRole('heading', { name: 'Servers with a proxy of their own' })).toBeVisible()
  await expect(proxies.getByRole('listitem')).toContainText('http://proxy.example:3128')
  await proxies.getByRole('link', { name: 'open' }).click()
  await expect(window.heading('open')).toBeVisible()
})

test('everything is checked at once, and each thing that is wrong is told with what to do', async ({
  window,
  host,
  drawbridge,
}) => {
  const { page } = window
  await drawbridge('add', 'open', host.addresses.open)
  await window.open('Settings')
  const region = page.getByRole('region', { name: 'Does everything work?' })
  const check = region.getByRole('button', { name: 'Check everything' })
  await check.focus()
  await page.keyboard.press('Enter')
  await expect(region.getByRole('status')).toContainText('Everything works.')
  const looked = region.getByRole('list', { name: 'What was looked at' })
  const of = (name: string) =>
    looked.getByRole('listitem').filter({ has: page.getByRole('heading', { name }) })
  await of('open').getByText('Steps of open').press('Enter')
  await expect(of('open').getByRole('list', { name: 'Steps' })).toContainText('In a client Works')
  await of('Drawbridge').getByText('Steps of Drawbridge').press('Enter')
  await expect(of('Drawbridge').getByRole('list', { name: 'Steps' })).toContainText('Keychain Works')
  await window.expectAccessible()

  await drawbridge('add', 'gone', 'http://127.0.0.1:9/mcp')
  await drawbridge('add', 'tickets', host.addresses.demo)
  await check.click()
  await expect(region.getByRole('alert')).toContainText('2 things are wrong')
  await expect(of('Drawbridge').getByText('Works').first()).toBeVisible()
  await expect(of('gone')).toContainText('Nothing is listening at')
  await expect(of('gone')).toContainText('Next step: Check')
  await expect(of('tickets')).toContainText('Signed out')
  await window.expectAccessible()
  await of('gone').getByRole('link', { name: 'gone' }).click()
  await expect(window.heading('gone')).toBeVisible()
})

test('a sign-in that is missing is told as one, and not as a fault', async ({ window, host, drawbridge }) => {
  const { page } = window
  await drawbridge('add', 'tickets', host.addresses.demo)
  await window.open('Settings')
  const region = page.getByRole('region', { name: 'Does everything work?' })
  await region.getByRole('button', { name: 'Check everything' }).click()
  await expect(region.getByRole('status')).toContainText('1 thing is wrong')
  await expect(region.getByRole('alert')).toHaveCount(0)
  await expect(region.getByRole('listitem').filter({ hasText: 'tickets' })).toContainText('Next step: ')
  await window.expectAccessible()
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
