/** Where the focus goes when what had it is gone, and what is read out there: the app's side is played. */

import { server } from '../src/lib/backend/sample'
import { expect, test, world } from './played'

test('the form of a server leaves the focus at the button that opened it', async ({ open }) => {
  const given = world()
  given.status.servers = [server('tickets')]
  const { page } = await open(given)
  await page.getByRole('link', { name: 'tickets' }).click()
  const connection = page.getByRole('region', { name: 'Connection' })
  const change = connection.getByRole('button', { name: 'Change' })
  await change.press('Enter')
  await connection.getByRole('button', { name: 'Cancel' }).press('Enter')
  await expect(change).toBeFocused()
  await change.press('Enter')
  await connection.getByRole('button', { name: 'Save' }).press('Enter')
  await expect(change).toBeFocused()
})

test('clients come and go, and the focus stays with them', async ({ app }) => {
  const { page } = app
  await app.open('Settings')
  const section = page.getByRole('region', { name: 'Clients that speak HTTP' })
  const give = section.getByRole('button', { name: 'Give a client a token' })
  const name = section.getByLabel('Name of the client')
  await give.press('Enter')
  await section.getByRole('button', { name: 'Cancel' }).press('Enter')
  await expect(give).toBeFocused()
  await give.press('Enter')
  await name.fill('cursor')
  await name.press('Enter')
  await expect(section.getByRole('heading', { name: 'The token of cursor' })).toBeFocused()
  await section.getByRole('button', { name: 'I have put it in' }).press('Enter')
  await expect(give).toBeFocused()

  await expect(section.getByRole('listitem')).toContainText('(1 Jan 1970, 00:00)')
  await section.getByRole('button', { name: 'Take back the token of cursor' }).press('Enter')
  await page.getByRole('dialog').getByRole('button', { name: 'Take the token back' }).press('Enter')
  await expect(section.getByText('No client has a token.')).toBeVisible()
  await expect(section.getByRole('heading', { name: 'Clients that speak HTTP' })).toBeFocused()
})

test('what stands above every view leaves the focus at the view', async ({ open }) => {
  const given = world()
  given.status.paused = true
  const app = await open(given)
  const { page } = app
  await page.getByRole('button', { name: 'Resume' }).press('Enter')
  await expect(page.getByRole('button', { name: 'Resume' })).toHaveCount(0)
  await expect(app.heading('Servers')).toBeFocused()
  await page.getByRole('button', { name: 'Understood' }).press('Enter')
  await expect(page.getByRole('button', { name: 'Understood' })).toHaveCount(0)
  await expect(app.heading('Servers')).toBeFocused()
})

test('the sign-in of a new server is called off and begun again with one button', async ({ open }) => {
  const signedOut = { code: 'signed_out', sentence: 'It wants a sign-in.', nextStep: '' } as const
  const app = await open(world({ added: server('new'), probes: [signedOut], silent: ['sign_in'] }))
  const { page } = app
  await app.add('https://x.example/mcp', 'new')
  await page.getByRole('button', { name: 'Sign in', exact: true }).press('Enter')
  const cancel = page.getByRole('button', { name: 'Cancel the sign-in' })
  await expect(cancel).toBeFocused()
  await cancel.press('Enter')
  await expect(page.getByRole('button', { name: 'Sign in', exact: true })).toBeFocused()
})

test('the careful answer is read out with what it is about', async ({ open }) => {
  const approvals = [{ id: 1, url: 'https://mcp.example/mcp', isNew: true, references: ['env:EXAMPLE_KEY'] }]
  const app = await open(world({ approvals }))
  const { page } = app
  await page.getByRole('link', { name: 'Answer' }).click()
  const deny = page.getByRole('button', { name: 'Do not allow' })
  await expect(deny).toBeFocused()
  await expect(deny).toHaveAccessibleDescription(
    /use https:\/\/mcp\.example\/mcp.*env:EXAMPLE_KEY.*Allow it only/,
  )

  await app.show('/add?name=linked&url=https%3A%2F%2Fx.example%2Fmcp')
  const cancel = page.getByRole('link', { name: 'Cancel' })
  await expect(cancel).toBeFocused()
  await expect(cancel).toHaveAccessibleDescription(/A link wants to add.*https:\/\/x\.example\/mcp/)
})

test('a text that cannot be copied is selected instead', async ({ app }) => {
  const { page } = app
  await app.open('Settings')
  await page.evaluate(() => {
    navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'))
  })
  const section = page.getByRole('region', { name: 'Clients that speak HTTP' })
  await section.getByRole('button', { name: 'Give a client a token' }).click()
  await section.getByLabel('Name of the client').fill('cursor')
  await section.getByRole('button', { name: 'Make the token' }).click()
  await section.getByRole('button', { name: 'Copy: Token' }).click()
  await expect(section.getByRole('alert')).toContainText('It could not be copied here.')
  const token = await section.getByRole('group', { name: 'Token' }).textContent()
  expect(token).toMatch(/^dbl_/)
  expect(await page.evaluate(() => getSelection()?.toString())).toBe(token)
  await app.expectAccessible()
})
