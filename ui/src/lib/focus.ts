/** Where the focus goes when what had it is gone. */

import { tick } from 'svelte'

/** Moves the focus once the page has changed, unless the person has taken it elsewhere; `leaving` is about to go. */
export async function refocus(focus: () => void, leaving?: Element | null): Promise<void> {
  await tick()
  const { activeElement } = document
  if (!activeElement || activeElement === document.body || leaving?.contains(activeElement)) focus()
}
