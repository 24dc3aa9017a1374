/** The views, and how the hash of the address spells them. */

/** A view and what it is about. */
export type Place =
  | { view: 'servers' }
  | { view: 'server'; name: string }
  | { view: 'add'; name: string | null; url: string | null }
  | { view: 'settings' }
  | { view: 'approvals' }

/** The hash of a view. */
export function hashOf(place: Place): string {
  switch (place.view) {
    case 'servers':
      return '#/'
    case 'server':
      return `#/servers/${encodeURIComponent(place.name)}`
    case 'add': {
      const query = new URLSearchParams()
      if (place.name) query.set('name', place.name)
      if (place.url) query.set('url', place.url)
      return query.size > 0 ? `#/add?${query}` : '#/add'
    }
    case 'settings':
      return '#/settings'
    case 'approvals':
      return '#/approvals'
  }
}

/** The view of a hash; what is unknown shows the servers. */
export function placeOf(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#/, '').split('?')
  const given = new URLSearchParams(query)
  const name = /^\/servers\/([^/]+)$/.exec(path)?.[1]
  if (name) return { view: 'server', name: decoded(name) }
  if (path === '/add') return { view: 'add', name: given.get('name'), url: given.get('url') }
  if (path === '/settings') return { view: 'settings' }
  return path === '/approvals' ? { view: 'approvals' } : { view: 'servers' }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
