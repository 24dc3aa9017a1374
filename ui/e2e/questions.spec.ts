/** What programs want and a person has to allow: the app's side is played. */

import { expect, test, world } from './played'
import type { Window } from './support'

const question = (id: number) => ({
  id,
  url: `https://mcp${id}.example/mcp`,
  isNew: true,
  references: ['env:EXAMPLE_KEY'],
})

const answers = ({ page }: Window) =>
  page.evaluate(() =>
    window.played.asked.filter(([name]) => name === 'answer_approval').map(([, asked]) => asked),
  )

test('a second click in the place of the first answers no other question', async ({ open }) => {
  const app = await open(world({ approvals: [question(1), question(2)] }))
  const { page } = app
  await expect(app.heading('Servers')).toBeVisible()
  await page.clock.install()
  await page.clock.pauseAt(Date.now() + 60_000)
  await page.getByRole('link', { name: 'Answer' }).click()
  await expect(page.getByText('1 more question waits.')).toBeVisible()
  await page.clock.runFor(1_000)
  const allow = page.getByRole('button', { name: 'Allow', exact: true })
  await expect(allow).toBeEnabled()
  const { x, y } = (await allow.boundingBox()) ?? { x: 0, y: 0 }
  await page.mouse.click(x + 5, y + 5)
  await expect(page.getByRole('heading', { name: 'https://mcp2.example/mcp' })).toBeVisible()
  await expect(page.getByRole('heading', { name: 'https://mcp1.example/mcp' })).toHaveCount(0)
  await page.mouse.click(x + 5, y + 5)
  await expect(allow).toBeDisabled()
  expect(await answers(app)).toEqual([{ id: 1, allow: true }])

  await page.clock.runFor(1_000)
  await expect(page.getByRole('button', { name: 'Do not allow' })).toBeFocused()
  await allow.click()
  await expect(page.getByText('Nothing waits for an answer.')).toBeVisible()
  expect(await answers(app)).toEqual([
    { id: 1, allow: true },
    { id: 2, allow: true },
  ])
})

test('a question that takes the place of another sleeps first', async ({ open }) => {
  const app = await open(world({ approvals: [question(1), question(2)] }))
  const { page } = app
  await expect(app.heading('Servers')).toBeVisible()
  await page.clock.install()
  await page.clock.pauseAt(Date.now() + 60_000)
  await page.getByRole('link', { name: 'Answer' }).click()
  await page.clock.runFor(1_000)
  const allow = page.getByRole('button', { name: 'Allow', exact: true })
  await expect(allow.first()).toBeEnabled()
  await page.evaluate(
    (left) => {
      window.played.tell('approvals-changed', left)
    },
    [question(2)],
  )
  await expect(page.getByRole('heading', { name: 'https://mcp1.example/mcp' })).toHaveCount(0)
  await expect(allow).toBeDisabled()
})

test('a question that could not be answered can be answered again', async ({ open }) => {
  const refused = {
    answer_approval: { code: 'internal', sentence: 'It was not kept.', nextStep: '' } as const,
  }
  const app = await open(world({ approvals: [question(1)], refused }))
  const { page } = app
  await page.getByRole('link', { name: 'Answer' }).click()
  const deny = page.getByRole('button', { name: 'Do not allow' })
  await expect(deny).toBeFocused()
  await deny.press('Enter')
  await expect(page.getByRole('alert')).toContainText('It was not kept.')
  await page.evaluate(() => (window.played.world.refused = {}))
  await expect(deny).toBeFocused()
  await expect(deny).toBeEnabled()
  await deny.press('Enter')
  await expect(page.getByText('Nothing waits for an answer.')).toBeVisible()
})
