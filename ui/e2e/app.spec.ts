/** What only the app has: its own settings, questions, and views that it asks for. The app's side is played here. */

import type { Page } from '@playwright/test'
import type { AccountStateView, Failure, ServerView } from '../src/lib/backend/bindings'
import { server } from '../src/lib/backend/sample'
import { lived } from './pictures/world'
import { expect, test, world } from './played'

const refusal: Failure = {
  code: 'internal',
  sentence: 'The settings could not be written.',
  nextStep: 'Free some space.',
}
const question = { id: 3, url: 'https://mcp.example/mcp', isNew: true, references: ['env:EXAMPLE_KEY'] }

/** The Host tells how its one server stands. */
async function tell(page: Page, server: ServerView): Promise<void> {
  await page.evaluate((server) => {
    window.played.tell('status-changed', { ...window.played.world.status, servers: [server] })
  }, server)
}

test('the app is set where it runs', async ({ app }) => {
  const { page } = app
  await app.open('Settings')
  await app.expectAccessible()
  await page.getByRole('switch', { name: 'Start when I log in' }).check()
  await page.getByRole('switch', { name: 'Then show no window' }).uncheck()
  await page.getByRole('switch', { name: 'Show notifications' }).uncheck()
  await page.getByRole('radio', { name: 'Dark' }).check({ force: true })
  await expect(page.getByRole('radio', { name: 'Dark' })).toBeChecked()
  await page.getByRole('button', { name: 'Open the folder of the logs' }).click()
  const asked = await page.evaluate(() => window.played.asked)
  const set = asked.filter(([command]) => command === 'set_app_settings').at(-1)
  const wanted = { autostart: true, startHidden: false, notifications: false, theme: 'dark' }
  expect(set?.[1]).toEqual({ settings: wanted })
  expect(asked.map(([command]) => command)).toContain('show_logs')
  await app.expectAccessible()
})

test('what could not be set is shown as it is', async ({ open }) => {
  const app = await open(world({ refused: { set_app_settings: refusal } }))
  const { page } = app
  await app.open('Settings')
  const told = page.getByRole('alert').filter({ hasText: refusal.sentence })
  const notifications = page.getByRole('switch', { name: 'Show notifications' })
  await notifications.click()
  await expect(told).toBeVisible()
  await expect(notifications).toBeChecked()
  await page.getByRole('radio', { name: 'Dark' }).click({ force: true })
  await expect(page.getByRole('radio', { name: 'As the system' })).toBeChecked()

  await page.evaluate(() => (window.played.world.refused = {}))
  await notifications.click()
  await expect(told).toHaveCount(0)
  await expect(notifications).not.toBeChecked()
})

test('a question is told of, and answered with care', async ({ open }) => {
  const app = await open(world({ approvals: [question] }))
  const { page } = app
  await expect(page.getByText('A program asks for something')).toBeVisible()
  await app.expectAccessible()
  await page.getByRole('link', { name: 'Answer' }).click()
  await expect(app.heading('Questions')).toBeVisible()
  await expect(page.getByText('env:EXAMPLE_KEY')).toBeVisible()
  const allow = page.getByRole('button', { name: 'Allow', exact: true })
  const deny = page.getByRole('button', { name: 'Do not allow' })
  await expect(deny).toBeFocused()
  await app.expectAccessible()
  await expect(allow).toBeEnabled()
  await deny.click()
  await expect(page.getByText('Nothing waits for an answer.')).toBeVisible()
  const asked = await page.evaluate(() => window.played.asked)
  expect(asked.find(([command]) => command === 'answer_approval')?.[1]).toEqual({ id: 3, allow: false })
})

test('the tray and links lead to a view, and changes are told', async ({ app }) => {
  const { page } = app
  await expect(page.getByText('2 clients connected')).toBeVisible()
  await app.show('/add?name=linked&url=https%3A%2F%2Fx.example%2Fmcp')
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('linked')
  await app.show('/settings')
  await expect(app.heading('Settings')).toBeVisible()
})

test('everything is checked by the command, with words that name no server', async ({ open }) => {
  const { page } = await open(world({ checkup: { host: [], servers: [] } }))
  await page.getByRole('navigation').getByRole('link', { name: 'Settings' }).click()
  await page.getByRole('button', { name: 'Check everything' }).click()
  await expect(page.getByRole('status').filter({ hasText: 'Everything works.' })).toBeVisible()
  const asked = await page.evaluate(() =>
    window.played.asked.filter(([name]) => name.startsWith('plugin:shell')),
  )
  expect(asked).toMatchObject([
    [
      'plugin:shell|spawn',
      { program: './drawbridge', args: ['doctor', '--json'], options: { sidecar: true } },
    ],
  ])
})

test('what is there twice is shown twice', async ({ open }) => {
  const warning = { ...refusal, sentence: 'A file could not be read.' }
  const given = world({
    approvals: [{ ...question, references: ['env:EXAMPLE…', 'env:EXAMPLE…'] }],
    checkup: {
      host: [],
      servers: [{ server: 'Drawbridge', account: 'default', checks: [] }],
    },
  })
  given.status.warnings = [warning, warning]
  const { page } = await open(given)
  await expect(page.getByText(warning.sentence)).toHaveCount(2)
  await page.getByRole('link', { name: 'Answer' }).click()
  await expect(page.getByText('env:EXAMPLE…')).toHaveCount(2)
  await page.getByRole('navigation').getByRole('link', { name: 'Settings' }).click()
  await page.getByRole('button', { name: 'Check everything' }).click()
  const looked = page.getByRole('list', { name: 'What was looked at' }).getByRole('heading')
  await expect(looked).toHaveText(['Drawbridge', 'Drawbridge'])
})

test('a view that cannot be shown says so, and begins anew', async ({ open }) => {
  const given = world()
  // No Host says this: two servers of one name.
  given.status.servers = [server('tickets'), server('tickets')]
  const app = await open(given)
  const { page } = app
  const told = page.getByRole('alert').filter({ hasText: 'A defect of Drawbridge' })
  await expect(told).toBeVisible()
  await expect(app.heading('This view cannot be shown')).toBeFocused()
  await app.expectAccessible()
  await app.open('Settings')
  await expect(app.heading('Settings')).toBeVisible()
  await app.open('Servers')
  await expect(told).toBeVisible()

  const logged = page.waitForEvent('console', (message) => message.type() === 'error')
  await page.getByRole('button', { name: 'Try again' }).click()
  expect((await logged).text()).toContain('each_key_duplicate')
  await expect(told).toBeVisible()
  await page.evaluate(() => {
    window.played.tell('status-changed', { ...window.played.world.status, servers: [] })
  })
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(app.heading('Servers')).toBeVisible()
  await expect(told).toHaveCount(0)
})

test('tools are read, cannot be read, or are those of the account that is chosen', async ({ open }) => {
  const signedIn: AccountStateView = { kind: 'signedIn', expires: null, scopes: [], identity: null }
  const signedOut: AccountStateView = { kind: 'signedOut', why: 'somebody signed out' }
  const accounts = [
    { label: 'work', state: signedIn },
    { label: 'home', state: signedOut },
  ]
  const given = world({ silent: ['details'] })
  const tool = (name: string) => ({ name, title: null, description: null, effect: 'reads' as const })
  given.details = {
    'tickets@work': { ...given.unsaid, tools: [tool('read_ticket')], server: 'Tickets at work' },
    'tickets@home': { ...given.unsaid, tools: [tool('read_diary')], server: 'Tickets at home' },
  }
  given.probes = [{ server: 'Tickets', protocolVersion: '2025-11-25', tools: 1 }]
  given.status.servers = [server('tickets', { accounts, defaultAccount: 'work' })]
  const app = await open(given)
  const { page } = app
  await page.getByRole('link', { name: 'tickets' }).click()
  const tools = page.getByRole('region', { name: 'Tools' })
  await expect(tools.getByRole('status')).toHaveText('Reading what is known of the tools…')
  await expect(tools.getByText('Nobody has asked')).toHaveCount(0)

  await page.evaluate((refusal) => {
    Object.assign(window.played.world, { silent: [], refused: { details: refusal } })
    window.played.tell('status-changed', structuredClone(window.played.world.status))
  }, refusal)
  await expect(tools.getByRole('alert')).toContainText(refusal.nextStep)
  await app.expectAccessible()
  await page.evaluate(() => (window.played.world.refused = {}))
  await tools.getByRole('button', { name: 'Try again' }).click()
  await expect(tools.getByText('read_ticket')).toBeVisible()
  await expect(tools.getByRole('heading', { name: 'Tools' })).toBeFocused()

  const connection = page.getByRole('region', { name: 'Connection' })
  await expect(connection).toContainText('Tickets at work')
  await tools.getByRole('radio', { name: 'home' }).check({ force: true })
  await expect(tools.getByText('read_diary')).toBeVisible()
  await expect(tools.getByText('read_ticket')).toHaveCount(0)
  await expect(connection).toContainText('Tickets at home')
  const head = page.locator('header').filter({ has: page.getByRole('heading', { level: 1 }) })
  await expect(head.getByRole('group', { name: 'Ask the server as' }).getByLabel('home')).toBeChecked()
  await expect(head).toContainText('Signed out')
  await page.getByRole('button', { name: 'Check now' }).click()
  await expect(page.getByText('Tickets answered')).toBeVisible()
  const probed = await page.evaluate(() => window.played.asked.filter(([command]) => command === 'probe'))
  expect(probed).toMatchObject([['probe', { server: 'tickets', label: 'home' }]])
  await app.expectAccessible()
})

test('options of a pasted line that cannot be taken over are named', async ({ app }) => {
  const { page } = app
  await app.open('Add a server')
  const field = page.getByLabel('Paste the server’s address')
  await field.fill('npx mcp-remote https://x.example/mcp 3334 --static-oauth-client-info @me.json --later')
  const told = page.getByText('Not taken over:')
  await expect(told).toContainText('--static-oauth-client-info, --later.')
  await app.expectAccessible()
  await field.fill('npx mcp-remote https://x.example/mcp 3334')
  await expect(told).toHaveCount(0)
})

test('a client id that was typed may have a secret, which nobody sees', async ({ open }) => {
  const app = await open(world({ refused: { add_server: refusal } }))
  const { page } = app
  await app.open('Add a server')
  await page.getByLabel('Paste the server’s address').fill('https://x.example/mcp')
  await page.getByText('More options').click()
  const secret = page.getByLabel('Client secret')
  await expect(secret).toHaveCount(0)
  await page.getByLabel('Client id').fill('me')
  await expect(secret).toHaveAttribute('type', 'password')
  await secret.fill('s3cret')
  await app.expectAccessible()
  await page.getByRole('button', { name: 'Add the server' }).click()
  await expect(page.getByRole('alert')).toContainText(refusal.sentence)
  // A refusal loses nothing that was typed.
  await expect(secret).toHaveValue('s3cret')
  const asked = await page.evaluate(() => window.played.asked.find(([command]) => command === 'add_server'))
  expect(asked?.[1].server).toMatchObject({ options: { clientId: 'me', clientSecret: { value: 's3cret' } } })
})

test('the button of an account keeps the focus when it has done its work', async ({ open }) => {
  const account = (kind: 'signingIn' | 'signedOut' | 'signedIn') => {
    const states: Record<typeof kind, AccountStateView> = {
      signingIn: { kind: 'signingIn', host: null },
      signedOut: { kind: 'signedOut', why: 'somebody called it off' },
      signedIn: { kind: 'signedIn', expires: null, scopes: [], identity: null },
    }
    return server('tickets', { accounts: [{ label: 'default', state: states[kind] }] })
  }
  const given = world()
  given.status.servers = [account('signingIn')]
  const { page } = await open(given)
  const becomes = (server: ServerView) => tell(page, server)
  await page.getByRole('link', { name: 'tickets' }).click()
  await page.getByRole('button', { name: 'Cancel the sign-in: tickets@default' }).press('Enter')
  await becomes(account('signedOut'))
  await expect(page.getByRole('button', { name: 'Sign in to tickets@default' })).toBeFocused()
  await becomes(account('signedIn'))
  await page.getByRole('button', { name: 'Sign out of tickets@default' }).press('Enter')
  await becomes(account('signedOut'))
  await expect(page.getByRole('button', { name: 'Sign in to tickets@default' })).toBeFocused()
})

test('the button of a server in the list keeps the focus, which goes to the server when nothing is left to do', async ({
  open,
}) => {
  const given = world({ probes: [{ server: 'Tickets', protocolVersion: '2025-11-25', tools: 4 }] })
  const tickets = (state: AccountStateView, more: Partial<ServerView> = {}) =>
    server('tickets', { accounts: [{ label: 'default', state }], ...more })
  const signedIn: AccountStateView = { kind: 'signedIn', expires: null, scopes: [], identity: null }
  given.status.servers = [tickets({ kind: 'signedOut', why: 'somebody called it off' })]
  given.silent = ['sign_in']
  const { page } = await open(given)
  const becomes = (server: ServerView) => tell(page, server)
  const button = (name: string) => page.getByRole('listitem').getByRole('button', { name })
  const link = page.getByRole('listitem').getByRole('link', { name: 'tickets' })

  await button('Sign in to tickets').press('Enter')
  await expect(button('Cancel the sign-in: tickets')).toBeFocused()
  await becomes(tickets({ kind: 'signingIn', host: null }))
  await button('Cancel the sign-in: tickets').press('Enter')
  await becomes(tickets({ kind: 'signedOut', why: 'somebody called it off' }))
  await expect(button('Sign in to tickets')).toBeFocused()
  await becomes(tickets(signedIn))
  await expect(button('Sign in')).toHaveCount(0)
  await expect(link).toBeFocused()

  const unreachable: Failure = { ...refusal, code: 'unreachable' }
  await becomes(tickets(signedIn, { reach: { kind: 'failed', failure: unreachable, since: 0 } }))
  await expect(link).toBeFocused()
  await button('Check tickets').press('Enter')
  await becomes(tickets(signedIn))
  await expect(link).toBeFocused()
})

test('what the tray asks for twice begins anew', async ({ app }) => {
  const { page } = app
  const field = page.getByLabel('Paste the server’s address')
  const add = () => app.show('/add')
  await expect(app.heading('Servers')).toBeVisible()
  await add()
  await field.fill('https://x.example/mcp')
  await add()
  await expect(field).toHaveValue('')
  await expect(field).toBeFocused()
})

test('no key confirms what a link brings before its button wakes', async ({ open }) => {
  const app = await open(world({ refused: { add_server: refusal } }))
  const { page } = app
  await expect(app.heading('Servers')).toBeVisible()
  await page.clock.install()
  await page.clock.pauseAt(Date.now() + 60_000)
  await app.show('/add?name=a&url=https%3A%2F%2Fx.example%2Fmcp')
  const added = () => page.evaluate(() => window.played.asked.some(([command]) => command === 'add_server'))
  const field = page.getByLabel('Paste the server’s address')
  await field.press('Enter')
  expect(await added()).toBe(false)
  await page.clock.runFor(1_000)
  await expect(page.getByRole('button', { name: 'Add the server' })).toBeEnabled()
  await field.press('Enter')
  await expect(page.getByRole('alert')).toContainText(refusal.sentence)
  expect(await added()).toBe(true)
})

test('who has signed in is shown, and a profile is kept and dropped', async ({ open }) => {
  const state: AccountStateView = {
    kind: 'signedIn',
    expires: null,
    scopes: ['tickets.read'],
    identity: 'ana@example.com',
  }
  const { status } = world()
  status.servers = [server('tickets', { accounts: [{ label: 'default', state }] })]
  const app = await open(world({ status }))
  const { page } = app
  await expect(page.getByRole('listitem')).toContainText('ana@example.com')
  await page.getByRole('link', { name: 'tickets' }).click()
  const accounts = page.getByRole('region', { name: 'Accounts' })
  await expect(accounts).toContainText('ana@example.com')
  await expect(accounts).toContainText('tickets.read')

  const keep = accounts.getByRole('switch', { name: 'Keep me signed in at the provider' })
  await expect(keep).not.toBeChecked()
  await app.expectAccessible()
  await keep.check()
  await expect(
    page.getByRole('status').filter({ hasText: 'It is kept from the next sign-in on.' }),
  ).toHaveCount(1)
  await keep.uncheck()
  await expect(page.getByRole('status').filter({ hasText: 'What was stored is deleted.' })).toHaveCount(1)
  const asked = await page.evaluate(() => window.played.asked)
  const changes = asked.filter(([command]) => command === 'edit_server').map(([, { changes }]) => changes)
  expect(changes).toEqual([{ keepProfile: 'default' }, { unset: [{ keep_profile: 'default' }] }])
})

test('a desktop without a tray is told of in every view, until the person knows', async ({ app }) => {
  const { page } = app
  const told = page.getByRole('status').filter({ hasText: 'no place for tray icons' })
  for (const view of ['Servers', 'Settings', 'Add a server'] as const) {
    await app.open(view)
    await expect(told).toBeVisible()
  }
  await app.expectAccessible()
  await told.getByRole('button', { name: 'Understood' }).click()
  await expect(told).toHaveCount(0)
  await app.open('Servers')
  await expect(app.heading('Servers')).toBeVisible()
  await expect(told).toHaveCount(0)
})

test('what is declared harmless or not is told quietly, and a switch looks like one', async ({ open }) => {
  const { status } = world()
  status.servers = [server('tickets')]
  const tool = (name: string, effect: 'reads' | 'changes') => ({
    name,
    title: null,
    description: null,
    effect,
  })
  const details = {
    'tickets@default': {
      server: null,
      serverVersion: null,
      protocolVersion: null,
      instructions: null,
      era: null,
      transport: null,
      // A server may list two tools of one name.
      tools: [tool('look', 'reads'), tool('change', 'changes'), tool('look', 'reads')],
    },
  }
  const { page } = await open(world({ status, details }))
  await page.getByRole('link', { name: 'tickets' }).click()
  const colour = (text: string) =>
    page
      .getByText(text)
      .first()
      .evaluate((word) => getComputedStyle(word).color)
  expect(await colour('May change or delete')).toBe(await colour('Only reads'))
  const pin = page.getByRole('switch', { name: 'Hold back tools that change' })
  const { width, height } = (await pin.boundingBox()) ?? { width: 0, height: 0 }
  expect(width).toBeGreaterThan(height * 1.5)
})

test('a window that still waits for its servers says so', async ({ open }) => {
  const app = await open(world({ silent: ['status'] }))
  await expect(app.page.getByRole('status').filter({ hasText: 'Loading your servers…' })).toBeVisible()
  await app.expectAccessible()
})

test('what moves stands still for those who want that', async ({ open }) => {
  const { page } = await open(world({ silent: ['status'] }))
  await expect(page.getByText('Loading your servers…')).toBeVisible()
  const running = () => page.evaluate(() => document.getAnimations().length)
  const longest = () =>
    page.evaluate(() => {
      const seconds = [...document.querySelectorAll('*')].flatMap((element) => {
        const { animationDuration, transitionDuration } = getComputedStyle(element)
        return `${animationDuration}, ${transitionDuration}`.split(', ').map(parseFloat)
      })
      return Math.max(...seconds)
    })
  expect(await longest()).toBeLessThan(0.001)
  expect(await running()).toBe(0)
  await page.emulateMedia({ reducedMotion: 'no-preference' })
  expect(await longest()).toBeGreaterThan(0.1)
  expect(await running()).toBeGreaterThan(0)
})

test('what has the focus is seen to have it', async ({ app }) => {
  const { page } = app
  await expect(app.heading('Servers')).toBeFocused()
  const outline = () =>
    page.locator(':focus').evaluate((element) => {
      const { outlineStyle, outlineWidth, outlineColor, color } = getComputedStyle(element)
      return { outlineStyle, outlineWidth, isSeen: outlineColor !== color }
    })
  const visible = { outlineStyle: 'solid', outlineWidth: '2px', isSeen: true }
  await page.keyboard.press('Tab')
  await expect.poll(outline).toEqual(visible)
  await app.open('Settings')
  for (const control of [
    page.getByRole('switch', { name: 'Show notifications' }),
    page.getByRole('button', { name: 'Give a client a token' }),
  ]) {
    await control.focus()
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Tab')
    await expect.poll(outline).toEqual(visible)
  }
})

test('a server and a question can be read zoomed in twice', async ({ open }) => {
  const window = await open(lived)
  const { page } = window
  const fits = async () => {
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    expect(overflow).toBeLessThanOrEqual(0)
    await window.expectAccessible()
  }
  await page.setViewportSize({ width: 500, height: 360 })
  await page.getByRole('link', { name: 'Answer' }).click()
  await expect(window.heading('Questions')).toBeVisible()
  await fits()
  await window.open('Servers')
  await page.getByRole('link', { name: 'tickets' }).click()
  await expect(window.heading('tickets')).toBeVisible()
  await fits()
})
