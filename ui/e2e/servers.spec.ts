/** The list of servers, and the frame around it. */

import { expect, test } from './support'

test('a newcomer is told what this is for and shown the way', async ({ window }) => {
  const { page } = window
  await expect(page.getByRole('heading', { name: 'No servers yet' })).toBeVisible()
  await window.expectAccessible()
  await page.getByRole('main').getByRole('link', { name: 'Add a server' }).click()
  await expect(window.heading('Add a server')).toBeVisible()
  await expect(page.getByLabel('Paste the server’s address')).toBeFocused()
})

test('the heading of every view lies at one height, and one link adds a server', async ({
  window,
  host,
  drawbridge,
}) => {
  const { page } = window
  await drawbridge('add', 'open', host.addresses.open)
  await expect(page.getByRole('list', { name: 'Your servers' })).toBeVisible()
  await expect(page.getByRole('link', { name: 'Add a server' })).toHaveCount(1)
  const heights = []
  for (const view of ['Servers', 'Add a server', 'Settings'] as const) {
    await window.open(view)
    heights.push((await window.heading(view).boundingBox())?.y)
  }
  expect(new Set(heights).size).toBe(1)
})

test('each server shows its state, its account and the next step', async ({ window, host }) => {
  const { page } = window
  await window.add(host.addresses.open, 'open')
  await window.add(host.addresses.demo, 'tickets')
  await window.open('Servers')
  const list = page.getByRole('list', { name: 'Your servers' })
  const open = list.getByRole('listitem').filter({ hasText: 'open' })
  const tickets = list.getByRole('listitem').filter({ hasText: 'tickets' })
  await expect(open).toContainText('Ready')
  await expect(tickets).toContainText('Signed out')
  await window.expectAccessible()

  await window.signIn(() => tickets.getByRole('button', { name: 'Sign in to tickets' }).click())
  await expect(tickets).toContainText('Signed in')
  await expect(tickets.getByRole('button')).toHaveCount(0)
  await window.expectAccessible()

  await list.getByRole('link', { name: 'tickets' }).click()
  await expect(window.heading('tickets')).toBeFocused()
})

test('what the command line does shows at once', async ({ window, host, drawbridge }) => {
  const { page } = window
  await expect(page.getByRole('heading', { name: 'No servers yet' })).toBeVisible()
  await drawbridge('add', 'notes', host.addresses.open)
  const list = page.getByRole('list', { name: 'Your servers' })
  await expect(list.getByRole('listitem')).toContainText('Ready')
  await drawbridge('remove', 'notes')
  await expect(page.getByRole('heading', { name: 'No servers yet' })).toBeVisible()
})

test('a server that cannot be reached is said to be so, with the next step', async ({
  window,
  host,
  drawbridge,
}) => {
  const { page } = window
  await drawbridge('add', 'gone', `${new URL('/', host.addresses.open)}nowhere`)
  const row = page.getByRole('list', { name: 'Your servers' }).getByRole('listitem')
  await expect(row).toContainText('Needs attention')
  await row.getByRole('button', { name: 'Check gone now' }).click()
  await expect(row.getByRole('button', { name: 'Check gone now' })).toHaveText('Check now')
  await row.getByRole('link').click()
  await expect(page.getByRole('alert')).toContainText('Next step:')
  await window.expectAccessible()
})

test('a Host that goes away is told of, with the next step', async ({ window, host }) => {
  await expect(window.heading('Servers')).toBeVisible()
  await host.stop()
  const alert = window.page.getByRole('alert')
  await expect(alert).toContainText('Drawbridge cannot be reached')
  await expect(alert).toContainText('Next step:')
  await window.expectAccessible()
})

test('a page without its key gets nothing', async ({ page, host }) => {
  await page.goto(new URL('/', host.addresses.url).href)
  await expect(page.getByRole('alert')).toContainText('opened without its key')
})

test('the window can be read zoomed in twice', async ({ window, host }) => {
  const { page } = window
  await window.add(host.addresses.open, 'a-server-with-quite-a-long-name-that-has-to-break-somewhere')
  await expect(page.getByRole('heading', { name: /is ready/ })).toBeVisible()
  await page.setViewportSize({ width: 500, height: 360 })
  for (const view of ['Servers', 'Settings', 'Add a server'] as const) {
    await window.open(view)
    await expect(window.heading(view)).toBeVisible()
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    expect(overflow, view).toBeLessThanOrEqual(0)
    await window.expectAccessible()
  }
})
