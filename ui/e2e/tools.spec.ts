/** The tools of a server: the app's side is played. */

import type { ToolView } from '../src/lib/backend/bindings'
import { server } from '../src/lib/backend/sample'
import { expect, test, world, type World } from './played'

function withTools(count: number, toolsLeftOut = 0): World {
  const given = world()
  const tools = Array.from({ length: count }, (_, number): ToolView => {
    return { name: `tool_${number}`, title: null, description: null, effect: 'reads' }
  })
  given.status.servers = [server('tickets')]
  given.details = { 'tickets@default': { ...given.unsaid, tools, toolsLeftOut } }
  return given
}

test('what a tool does not say is not found', async ({ open }) => {
  const { page } = await open(withTools(10))
  await page.getByRole('link', { name: 'tickets' }).click()
  const tools = page.getByRole('region', { name: 'Tools' })
  await expect(tools.getByRole('listitem')).toHaveCount(10)
  await tools.getByRole('searchbox').fill('null')
  await expect(tools.getByText('No tool matches.')).toBeVisible()
})

test('of very many tools some are shown, and all are found', async ({ open }) => {
  const app = await open(withTools(250))
  const { page } = app
  await page.getByRole('link', { name: 'tickets' }).click()
  const tools = page.getByRole('region', { name: 'Tools' })
  await expect(tools).toContainText('250 tools')
  await expect(tools.getByRole('listitem')).toHaveCount(200)
  await expect(tools.getByRole('status')).toHaveText('And 50 more. Search to find them.')
  await tools.getByRole('searchbox').fill('tool_249')
  await expect(tools.getByRole('listitem')).toHaveText([/tool_249/])
  await expect(tools.getByRole('status')).toHaveCount(0)
})

test('tools that the Host does not tell are counted', async ({ open }) => {
  const { page } = await open(withTools(10, 5))
  await page.getByRole('link', { name: 'tickets' }).click()
  const tools = page.getByRole('region', { name: 'Tools' })
  await expect(tools).toContainText('15 tools')
  await expect(tools).toContainText('5 more are too many to list here.')
})

test('tools are read anew when there may be others, and not for what has nothing to do with them', async ({
  open,
}) => {
  const given = withTools(1)
  const { page } = await open(given)
  await page.getByRole('link', { name: 'tickets' }).click()
  const tools = page.getByRole('region', { name: 'Tools' })
  await expect(tools).toContainText('1 tool')
  const reads = () =>
    page.evaluate(() => window.played.asked.filter(([command]) => command === 'details').length)
  const before = await reads()
  for (const sessions of [3, 4]) {
    const status = { ...given.status, sessions }
    await page.evaluate((status) => window.played.tell('status-changed', status), status)
    await expect(page.getByText(`${sessions} clients connected`)).toBeVisible()
  }
  expect(await reads()).toBe(before)

  // What the Host tells again as it was is that some server lists other tools.
  const status = { ...given.status, sessions: 4 }
  await page.evaluate(
    ([status, details]) => {
      window.played.world.details = details
      window.played.tell('status-changed', status)
    },
    [status, withTools(2).details] as const,
  )
  await expect(tools).toContainText('2 tools')
})
