/** What a new status means for one server. */

import type { StatusView } from '../backend/bindings'

/**
 * Whether more may be known of a server than before. Of its tools the status says nothing: the Host tells it once more,
 * as it was, when some server lists others. So a status that has something else to tell of is the one that says no.
 */
export function mayKnowMore(before: StatusView | null, now: StatusView, name: string): boolean {
  if (!before) return true
  const of = ({ servers }: StatusView) => servers.find((server) => server.name === name)
  return isOther(of(before), of(now)) || !isOther(rest(before), rest(now))
}

/** What the Host tells of whenever it changes. */
function rest({ servers, sessions, paused, proxy, http }: StatusView) {
  return { servers, sessions, paused, proxy, http }
}

function isOther(one: unknown, other: unknown): boolean {
  return one !== other && JSON.stringify(one) !== JSON.stringify(other)
}
