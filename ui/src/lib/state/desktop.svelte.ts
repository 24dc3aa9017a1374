/** The app's own settings. */

import type { Desktop } from '../backend/backend'
import type { About, AppSettings } from '../backend/bindings'
import { Work } from './work.svelte'

export class DesktopSettings {
  settings = $state.raw<AppSettings | null>(null)
  about = $state.raw<About | null>(null)
  readonly work = new Work()

  constructor(private readonly desktop: Desktop) {}

  async load(): Promise<void> {
    const loaded = await this.work.inTurn(() => Promise.all([this.desktop.settings(), this.desktop.about()]))
    if (loaded) [this.settings, this.about] = loaded.done
  }

  /** Changes some of them; what could not be changed shows as it is. */
  async change(changes: Partial<AppSettings>): Promise<boolean> {
    if (!this.settings) return false
    // All of them are taken, so what has changed elsewhere meanwhile is to be among them.
    const changed = await this.work.inTurn(async () =>
      this.desktop.change({ ...(await this.desktop.settings()), ...changes }),
    )
    this.settings = changed?.done ?? { ...this.settings }
    return changed !== null
  }

  showLogs(): Promise<{ done: void } | null> {
    return this.work.inTurn(() => this.desktop.showLogs())
  }
}
