/** What the app is able to do where it runs. */

import type { Desktop } from '../backend/backend'
import type { About } from '../backend/bindings'

export class AboutApp {
  private about = $state.raw<About | null>(null)
  private isTrayUnderstood = $state(false)
  /** Whether it can keep what the pages of a sign-in window store. What cannot be found out is not offered. */
  readonly keepsProfiles: boolean = $derived(this.about?.keepsProfiles ?? false)
  /** Whether the person is to be told that there is no tray icon. */
  readonly tellsOfNoTray: boolean = $derived(this.about?.tray === false && !this.isTrayUnderstood)

  constructor(private readonly desktop: Desktop | null) {}

  /** Asks how it is now. */
  async look(): Promise<void> {
    this.about = (await this.desktop?.about().catch(() => this.about)) ?? null
  }

  /** The person knows, as long as this window is there. */
  understandTray(): void {
    this.isTrayUnderstood = true
  }
}
