import { expect, it } from 'vitest'
import { text } from '../text'
import { failureIn, failureOf } from './backend'

it('what the Host words is shown as it is', () => {
  const failure = { code: 'tls', sentence: 'No trust.', nextStep: 'Look.' } as const
  expect(failureIn(failure)).toBe(failure)
})

it('what nobody worded is a defect of ours', () => {
  expect(failureIn('invalid args `changes`: relative URL without a base')).toEqual({
    ...text.failures.unworded,
    sentence: 'Invalid args `changes`: relative URL without a base.',
  })
  for (const answer of ['', null, undefined, 7, {}, { sentence: 'Half of it.' }]) {
    expect(failureIn(answer)).toEqual(text.failures.unworded)
  }
  expect(failureOf(new TypeError('no')).sentence).toBe('No.')
})
