/** Which view is shown: the hash of the address, so that back, reload and links work, and the app's own wishes too. */

import { hashOf, placeOf, type Place } from '../place'

export class Route {
  place = $state.raw<Place>({ view: 'servers' })

  start(): () => void {
    const read = () => {
      this.place = placeOf(location.hash)
    }
    read()
    addEventListener('hashchange', read)
    return () => removeEventListener('hashchange', read)
  }

  /** Starts the view anew where the address already names it. */
  again(): void {
    this.place = { ...this.place }
  }

  go(place: Place): void {
    location.hash = hashOf(place)
  }
}
