/** Changing a server that is there: the app's side is played. */

import { server } from '../src/lib/backend/sample'
import { expect, test, world, type World } from './played'
import type { Window } from './support'

function withServer(url: string, more: Partial<World> = {}): World {
  const given = world(more)
  given.status.servers = [server('tickets', { url })]
  return given
}

/** Opens the form; the region that it is in. */
async function changing({ page }: Window) {
  await page.getByRole('link', { name: 'tickets' }).click()
  const connection = page.getByRole('region', { name: 'Connection' })
  await connection.getByRole('button', { name: 'Change' }).click()
  return connection
}

const changes = ({ page }: Window) =>
  page.evaluate(() =>
    window.played.asked.filter(([name]) => name === 'edit_server').map(([, asked]) => asked.changes),
  )

test('an address that is none is told at its field and not sent', async ({ open }) => {
  const app = await open(withServer('https://mcp.example/mcp'))
  const connection = await changing(app)
  const address = connection.getByRole('textbox', { name: 'Address' })
  await address.fill('https//mcp.example/mcp')
  await expect(connection.getByText('This is no address.')).toBeVisible()
  await app.expectAccessible()
  await connection.getByRole('button', { name: 'Save' }).click()
  await expect(address).toBeFocused()
  expect(await changes(app)).toEqual([])
  await address.fill('mcp.example/other')
  await connection.getByRole('button', { name: 'Save' }).click()
  await expect(connection.getByRole('button', { name: 'Change' })).toBeVisible()
  expect(await changes(app)).toEqual([{ url: 'https://mcp.example/other', options: {} }])
})

test('what Tauri refuses on its own is told, and nothing that was typed is lost', async ({ open }) => {
  const refused = { edit_server: 'invalid args `changes` for command `edit_server`' }
  const app = await open(withServer('https://mcp.example/mcp', { refused }))
  const connection = await changing(app)
  const name = connection.getByLabel('Name', { exact: true })
  await name.fill('desk')
  await connection.getByRole('button', { name: 'Save' }).click()
  await expect(app.page.getByRole('alert')).toContainText('Invalid args changes for command edit_server.')
  await expect(app.heading('tickets')).toBeVisible()
  await expect(name).toHaveValue('desk')
})

test('an address that is not shown whole is typed anew or left as it is', async ({ open }) => {
  const app = await open(withServer('https://mcp.example/mcp?…'))
  const connection = await changing(app)
  const address = connection.getByRole('textbox', { name: 'Address' })
  await expect(address).toHaveValue('')
  await expect(address).toHaveAccessibleDescription(/leave this empty to keep it/)
  await connection.getByLabel('Hide these tools').fill('drop_*')
  await connection.getByRole('button', { name: 'Save' }).click()
  await expect(connection.getByRole('button', { name: 'Change' })).toBeVisible()
  expect(await changes(app)).toEqual([{ unset: ['deny_tools'], options: { denyTools: ['drop_*'] } }])
})
