/** Times as people say them. */

import { language, text } from './text'

const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' })
/** Dates are written as the person's system writes them, whatever language the words are in. */
const date = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]

/** `5 minutes ago`, `in 2 hours`, from seconds since 1970. */
export function fromNow(at: number, now: number): string {
  const seconds = at - now
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit)
  }
  return seconds <= 0 ? relative.format(0, 'second') : relative.format(Math.ceil(seconds / 60), 'minute')
}

/** When something was. Clocks differ a little: what has happened does not lie ahead. */
export function ago(at: number, now: number): string {
  return now - at < 60 ? text.common.justNow : fromNow(at, now)
}

/** The date and time, from seconds since 1970. */
export function exactly(at: number): string {
  return date.format(at * 1000)
}
