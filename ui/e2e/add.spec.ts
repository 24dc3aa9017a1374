/** From a pasted text to a server that a client can use. */

import { expect, test } from './support'

test('somebody with a keyboard alone adds a server and signs in', async ({ window, host, context }) => {
  const { page } = window
  const press = (...keys: string[]) =>
    keys.reduce((done, key) => done.then(() => page.keyboard.press(key)), Promise.resolve())
  const focused = page.locator(':focus')

  await expect(window.heading('Servers')).toBeFocused()
  await press('Tab')
  await expect(focused).toHaveText('Add a server')
  await press('Enter')
  await expect(page.getByLabel('Paste the server’s address')).toBeFocused()
  await page.keyboard.type(host.addresses.demo)
  await press('Tab')
  await expect(page.getByLabel('Name', { exact: true })).toBeFocused()
  await page.keyboard.type('tickets')
  await press('Enter')

  await expect(page.getByRole('heading', { name: 'tickets wants you to sign in' })).toBeFocused()
  const opened = context.waitForEvent('page')
  await press('Tab')
  await expect(focused).toHaveText('Sign in')
  await press('Enter')
  const form = await opened
  await expect(form.getByLabel('User name')).toBeFocused()
  await form.keyboard.type('demo')
  await form.keyboard.press('Tab')
  await form.keyboard.type('demo123')
  await form.keyboard.press('Enter')
  // Back from the sign-in page, to the one that says how it ended.
  await form.waitForURL((url) => url.origin !== new URL(host.addresses.demo).origin)
  await form.close()

  await expect(page.getByRole('heading', { name: 'tickets is ready' })).toBeFocused()
  await expect(page.getByRole('main')).toContainText('offers')
  const copy = page.getByRole('button', { name: 'Copy: Use it in a client' })
  while (!(await copy.evaluate((button) => button === document.activeElement))) await press('Tab')
  await press('Enter')
  const copied = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()))
  expect(copied.mcpServers.tickets.args).toEqual(['connect', 'tickets'])
  expect(copied.mcpServers.tickets.command).toMatch(/\/drawbridge$/)
  await window.open('Servers')
  await expect(page.getByRole('listitem').filter({ hasText: 'tickets' })).toContainText('Signed in')
})

test('each step can be used by everybody', async ({ window, host }) => {
  const { page } = window
  await window.open('Add a server')
  await window.expectAccessible()
  await page.getByLabel('Paste the server’s address').fill(host.addresses.demo)
  await page.getByText('More options').click()
  await window.expectAccessible()
  await page.getByRole('button', { name: 'Add the server' }).click()
  await expect(page.getByRole('heading', { name: /wants you to sign in/ })).toBeVisible()
  await window.expectAccessible()
  await page.getByRole('button', { name: 'Do it later' }).click()
  await expect(page.getByRole('heading', { name: /waits for you to sign in/ })).toBeFocused()
  await expect(page.locator('[aria-current=step]')).toContainText('Sign in')
  await expect(page.getByRole('region', { name: 'Use it in a client' })).toBeVisible()
  await window.expectAccessible()
})

test('a line for mcp-remote and its key are taken over', async ({ window, host, drawbridge }) => {
  const { page } = window
  await window.open('Add a server')
  const line = `npx -y mcp-remote ${host.addresses.open} --header "X-Team: \${TEAM}" --header "X-Kind: blue"`
  await page.getByLabel('Paste the server’s address').fill(line)
  await expect(page.getByText(`Found: ${host.addresses.open}`)).toBeVisible()
  const add = page.getByRole('button', { name: 'Add the server' })
  await expect(add).toBeDisabled()
  await page.getByLabel('X-Team').fill('marked-secret')
  await window.expectAccessible()
  await page.getByLabel('Name', { exact: true }).fill('team')
  await add.click()
  await expect(page.getByRole('heading', { name: 'team is ready' })).toBeVisible()
  const shown = JSON.parse(await drawbridge('show', 'team', '--json'))
  expect(shown.headers.sort()).toEqual(['x-kind', 'x-team'])

  await page.getByRole('link', { name: 'Show the server' }).click()
  await expect(page.getByText('x-team: •••')).toBeVisible()
  expect(await page.content()).not.toContain('marked-secret')
})

test('of several servers in a snippet one is chosen', async ({ window, host }) => {
  const { page } = window
  await window.open('Add a server')
  const snippet = {
    mcpServers: { first: { url: host.addresses.demo }, second: { url: host.addresses.open } },
  }
  await page.getByLabel('Paste the server’s address').fill(JSON.stringify(snippet, null, 2))
  await page.getByRole('radio', { name: 'second' }).check()
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('second')
  await window.expectAccessible()
  await page.getByRole('button', { name: 'Add the server' }).click()
  await expect(page.getByRole('heading', { name: 'second is ready' })).toBeVisible()
})

test('what is no server is explained', async ({ window }) => {
  const { page } = window
  await window.open('Add a server')
  const field = page.getByLabel('Paste the server’s address')
  for (const [text, explanation] of [
    ['npx -y @modelcontextprotocol/server-github', 'a program on your own computer'],
    ['{ "mcpServers": { "x": ', 'Copy the whole snippet'],
    ['hello there', 'No server address was found'],
    ['http://mcp.example.com/mcp', 'This address is not encrypted'],
  ] as const) {
    await field.fill(text)
    await expect(page.getByText(explanation)).toBeVisible()
    await expect(page.getByRole('button', { name: 'Add the server' })).toBeDisabled()
  }
  await field.fill('')
  await page.getByRole('button', { name: 'Add the server' }).click()
  await expect(page.getByText('No server address was found')).toBeVisible()
})

test('a server that is none can be kept', async ({ window, host }) => {
  const { page } = window
  await window.add(`${new URL('/', host.addresses.open)}nowhere`, 'wrong')
  const alert = page.getByRole('alert')
  await expect(alert).toContainText('Next step:')
  await window.expectAccessible()
  await page.getByRole('button', { name: 'Keep it anyway' }).click()
  await expect(page.getByRole('heading', { name: 'wrong is kept and does not work yet' })).toBeFocused()
  await expect(page.locator('[aria-current=step]')).toContainText('Sign in')
  await expect(alert).toContainText('Next step:')
  await expect(page.getByRole('main')).not.toContainText('ask you to sign in')
  await window.expectAccessible()
})

test('a server that is none can be taken back', async ({ window, host }) => {
  const { page } = window
  await window.add(`${new URL('/', host.addresses.open)}nowhere`, 'wrong')
  await page.getByRole('button', { name: 'Remove it and change the address' }).click()
  await page.getByLabel('Paste the server’s address').fill(host.addresses.open)
  await page.getByRole('button', { name: 'Add the server' }).click()
  await expect(page.getByRole('heading', { name: 'wrong is ready' })).toBeVisible()
})

test('a name and an address that are taken are refused with the next step', async ({ window, host }) => {
  const { page } = window
  await window.add(host.addresses.open, 'open')
  await expect(page.getByRole('heading', { name: 'open is ready' })).toBeVisible()
  await window.open('Servers')
  await window.add(host.addresses.open, 'other')
  await expect(page.getByRole('alert')).toContainText('already there as open')
  await page.getByLabel('Name', { exact: true }).fill('open')
  await expect(page.getByText('There is a server of this name already.')).toBeVisible()
})

test('a sign-in that is refused says so and can be tried again', async ({ window, host, context }) => {
  const { page } = window
  await window.add(host.addresses.demo, 'tickets')
  const opened = context.waitForEvent('page')
  await page.getByRole('button', { name: 'Sign in' }).click()
  const form = await opened
  await form.getByRole('button', { name: 'Deny' }).click()
  const alert = page.getByRole('alert')
  await expect(alert).toContainText('Next step:')
  await window.expectAccessible()
  await window.signIn(() => page.getByRole('button', { name: 'Sign in again' }).click())
  await expect(page.getByRole('heading', { name: 'tickets is ready' })).toBeVisible()
})

test('a sign-in goes on with the address that a browser elsewhere ended at', async ({ window, host }) => {
  const { page } = window
  await window.add(host.addresses.demo, 'tickets')
  const address = await window.signInElsewhere(() => page.getByRole('button', { name: 'Sign in' }).click())
  await page.getByText('The browser is on another computer').click()
  await page.getByLabel('Address of the page it ended at').fill(address)
  await window.expectAccessible()
  await page.getByRole('button', { name: 'Go on with it' }).click()
  await expect(page.getByRole('heading', { name: 'tickets is ready' })).toBeVisible()
})

test('a link only fills the form in, and its button wakes late', async ({ window, host }) => {
  const { page } = window
  const query = new URLSearchParams({ name: 'linked', url: 'https://linked.example/mcp' })
  await expect(window.heading('Servers')).toBeVisible()
  await page.evaluate((hash) => (location.hash = hash), `#/add?${query}`)
  const add = page.getByRole('button', { name: 'Add the server' })
  await expect(page.getByRole('link', { name: 'Cancel' })).toBeFocused()
  await expect(page.getByText('A link wants to add this server')).toBeVisible()
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('linked')
  const address = page.getByLabel('Paste the server’s address')
  await expect(address).toHaveValue('https://linked.example/mcp')
  await window.expectAccessible()
  await expect(add).toBeEnabled()
  // No link brings an address on this computer; the person may.
  await address.fill(host.addresses.open)
  await add.click()
  await expect(page.getByRole('heading', { name: 'linked is ready' })).toBeVisible()
})
