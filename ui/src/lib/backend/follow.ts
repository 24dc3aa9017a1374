/** Something that is told as it is now, and again whenever it changes. */

/** How it is asked for and heard of, and who is told. */
export interface Following<T> {
  /** Begins to hear of changes; returns how to stop that. */
  listen: (changed: (value: T) => void) => Promise<() => void>
  /** Asks how it is now. */
  ask: () => Promise<T>
  told: (value: T) => void
  failed: (error: unknown) => void
}

/** Begins to tell; returns how to stop. An answer that a change has overtaken counts for nothing. */
export function follow<T>({ listen, ask, told, failed }: Following<T>): () => void {
  let isOver = false
  let hasChanged = false
  const listening = listen((value) => {
    if (isOver) return
    hasChanged = true
    told(value)
  })
  const isWanted = () => !isOver && !hasChanged
  listening.then(ask).then(
    (value) => isWanted() && told(value),
    (error: unknown) => isWanted() && failed(error),
  )
  return () => {
    isOver = true
    listening.then(
      (stop) => stop(),
      () => undefined,
    )
  }
}
