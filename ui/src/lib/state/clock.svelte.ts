/** The time of day, for words like `5 minutes ago`. */

const STEP = 15_000

export class Clock {
  /** Seconds since 1970. */
  now = $state(seconds())

  start(): () => void {
    const timer = setInterval(() => {
      this.now = seconds()
    }, STEP)
    return () => clearInterval(timer)
  }
}

function seconds(): number {
  return Math.floor(Date.now() / 1000)
}
