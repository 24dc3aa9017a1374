/** Which view is shown: the hash of the address, so that back, reload and links work. */

import type { Desktop } from '../backend/backend'
import { hashOf, placeOf, type Place } from '../place'

export class Route {
  place = $state.raw<Place>({ view: 'servers' })

  start(desktop: Desktop | null): () => void {
    const read = () => {
      this.place = placeOf(location.hash)
    }
    read()
    addEventListener('hashchange', read)
    const stop = desktop?.watchRoutes((route) => {
      const before = location.hash
      location.hash = route
      if (location.hash === before) this.again()
    })
    return () => {
      removeEventListener('hashchange', read)
      stop?.()
    }
  }

  /** Starts the view anew where the address already names it. */
  again(): void {
    this.place = { ...this.place }
  }

  go(place: Place): void {
    location.hash = hashOf(place)
  }
}
