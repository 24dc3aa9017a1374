/** Whether the app can keep what the pages of a sign-in window store. */

import type { Desktop } from '../backend/backend'

export class Profiles {
  canBeKept = $state(false)

  constructor(private readonly desktop: Desktop | null) {}

  /** What cannot be found out is not offered. */
  async start(): Promise<void> {
    const about = await this.desktop?.about().catch(() => null)
    this.canBeKept = about?.keepsProfiles ?? false
  }
}
