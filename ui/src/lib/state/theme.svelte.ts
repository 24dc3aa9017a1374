/** Light or dark: the system's wish, or the person's. The app keeps it, a browser in its own store. */

import type { Desktop } from '../backend/backend'
import type { Theme as ThemeChoice } from '../backend/bindings'

export type { ThemeChoice }

const KEY = 'theme'

export class Theme {
  choice = $state<ThemeChoice>('system')

  constructor(private readonly desktop: Desktop | null) {}

  start(): void {
    // The app gives its windows the right colours before they are shown.
    if (this.desktop) return
    const stored = localStorage.getItem(KEY)
    this.choose(stored === 'light' || stored === 'dark' ? stored : 'system')
  }

  choose(choice: ThemeChoice): void {
    this.choice = choice
    if (this.desktop) return
    localStorage.setItem(KEY, choice)
    document.documentElement.dataset.theme = choice
  }
}
