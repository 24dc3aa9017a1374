/** The accounts of a server, and what is refused or goes wrong about them: the app's side is played. */

import type { AccountStateView, AccountView, Failure } from '../src/lib/backend/bindings'
import { server } from '../src/lib/backend/sample'
import { expect, test, world, type World } from './played'
import type { Window } from './support'

const signedIn: AccountStateView = { kind: 'signedIn', expires: null, scopes: [], identity: null }
const signedOut: AccountStateView = { kind: 'signedOut', why: 'somebody signed out' }
const failed = (sentence: string): Failure => ({ code: 'tls', sentence, nextStep: 'Ask who runs it.' })

function withAccounts(states: Record<string, AccountStateView>, more: Partial<World> = {}): World {
  const given = world(more)
  const accounts = Object.entries(states).map(([label, state]): AccountView => ({ label, state }))
  given.status.servers = [server('tickets', { accounts, defaultAccount: accounts[0]?.label ?? 'default' })]
  return given
}

/** Has the Host tell of other states. */
const tell = ({ page }: Window, given: World) =>
  page.evaluate((status) => window.played.tell('status-changed', status), given.status)

async function shown(app: Window) {
  await app.page.getByRole('link', { name: 'tickets' }).click()
  return app.page.getByRole('region', { name: 'Accounts' })
}

test('what was refused is told beside what asked for it', async ({ open }) => {
  const refused = { edit_server: failed('It was not written.'), sign_out: failed('It is still signed in.') }
  const app = await open(withAccounts({ work: signedIn, home: signedOut }, { refused }))
  const accounts = await shown(app)
  const alerts = (region: string) =>
    app.page.getByRole('region', { name: region, exact: true }).getByRole('alert')
  await accounts.getByRole('button', { name: 'Sign out of tickets@work' }).click()
  await expect(alerts('Accounts')).toContainText('It is still signed in.')
  await accounts.getByRole('button', { name: 'Make it the usual one: tickets@home' }).click()
  await expect(alerts('Accounts').nth(1)).toContainText('It was not written.')

  const pin = app.page.getByRole('switch', { name: 'Hold back tools that change' })
  await pin.click()
  await expect(alerts('Tools')).toContainText('It was not written.')
  await expect(pin).not.toBeChecked()
  await app.page.getByRole('radio', { name: 'in your browser' }).click({ force: true })
  await expect(alerts('Connection')).toContainText('It was not written.')
  await expect(app.page.getByRole('alert')).toHaveCount(4)
  await app.expectAccessible()
})

test('each account that failed says why, and the one in the head only there', async ({ open }) => {
  const own = failed('The certificate of home is void.')
  const app = await open(withAccounts({ work: signedIn, home: { kind: 'failed', failure: own } }))
  const { page } = app
  const accounts = await shown(app)
  const home = accounts.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'home' }) })
  await expect(home.getByRole('alert')).toContainText('The certificate of home is void.')
  await expect(home.getByRole('alert')).toContainText('Next step: Ask who runs it.')
  await app.expectAccessible()
  await page.getByRole('group', { name: 'Ask the server as' }).getByLabel('home').check({ force: true })
  await expect(page.getByText('The certificate of home is void.')).toHaveCount(1)
  await expect(home.getByRole('alert')).toHaveCount(0)
})

test('why a sign-in failed is told until somebody has signed in by another way', async ({ open }) => {
  const refused = { sign_in: failed('Nobody finished the sign-in.') }
  const given = withAccounts({ work: signedOut })
  const app = await open({ ...given, refused })
  const accounts = await shown(app)
  const signIn = accounts.getByRole('button', { name: 'Sign in to tickets@work' })
  await signIn.click()
  await expect(accounts.getByRole('alert')).toContainText('Nobody finished the sign-in.')
  await tell(app, withAccounts({ work: signedIn }))
  await expect(accounts.getByRole('button', { name: 'Sign out of tickets@work' })).toBeVisible()
  await expect(accounts.getByRole('alert')).toHaveCount(0)
  await tell(app, given)
  await expect(signIn).toBeVisible()
  await expect(accounts.getByRole('alert')).toHaveCount(0)
})

test('a sign-out that takes long keeps nothing else from being done', async ({ open }) => {
  const app = await open(withAccounts({ work: signedIn, home: signedOut }, { silent: ['sign_out'] }))
  const { page } = app
  const accounts = await shown(app)
  await accounts.getByRole('button', { name: 'Sign out of tickets@work' }).click()
  await accounts.getByRole('button', { name: 'Make it the usual one: tickets@home' }).click()
  await accounts.getByRole('button', { name: 'Remove the account tickets@home' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
  await expect(accounts.getByRole('listitem')).toHaveCount(1)
  const asked = await page.evaluate(() => window.played.asked.map(([name]) => name))
  expect(asked.filter((name) => /sign_out|edit_server|remove_account/.test(name))).toEqual([
    'sign_out',
    'edit_server',
    'remove_account',
  ])
})

test('the focus stays where an account was named, chosen or removed', async ({ open }) => {
  const given = withAccounts({ work: signedIn, home: signedOut }, { silent: ['sign_in'] })
  const app = await open(given)
  const { page } = app
  const accounts = await shown(app)
  const add = accounts.getByRole('button', { name: 'Add another account' })
  const label = accounts.getByLabel('Name of the account')
  await add.press('Enter')
  await accounts.getByRole('button', { name: 'Cancel' }).press('Enter')
  await expect(add).toBeFocused()
  await add.press('Enter')
  await label.fill('third')
  await label.press('Enter')
  await expect(add).toBeFocused()

  await accounts.getByRole('button', { name: 'Make it the usual one: tickets@home' }).press('Enter')
  await expect(accounts.getByRole('heading', { name: 'home' })).toBeFocused()
  await accounts.getByRole('button', { name: 'Remove the account tickets@work' }).press('Enter')
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).press('Enter')
  await expect(accounts.getByRole('listitem')).toHaveCount(1)
  await expect(accounts.getByRole('heading', { name: 'Accounts' })).toBeFocused()
})

test('what “usual” means is told to everybody', async ({ open }) => {
  const app = await open(withAccounts({ work: signedIn, home: signedOut }))
  const accounts = await shown(app)
  await expect(accounts).toContainText('The usual one is meant when a client names no account.')
})
