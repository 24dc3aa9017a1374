/** Wishes that overtake each other. */

/**
 * Grants one wish at a time; of those that come meanwhile, the last. Tells whether the last could be granted, and
 * those that leave it to another call that it will be seen to.
 */
export function latest<T>(grant: (wish: T) => Promise<boolean>): (wish: T) => Promise<boolean> {
  let next: { wish: T } | null = null
  let isBusy = false
  return async (wish) => {
    next = { wish }
    if (isBusy) return true
    isBusy = true
    try {
      let isGranted = true
      while (next) {
        const { wish }: { wish: T } = next
        next = null
        isGranted = await grant(wish)
      }
      return isGranted
    } finally {
      isBusy = false
    }
  }
}
