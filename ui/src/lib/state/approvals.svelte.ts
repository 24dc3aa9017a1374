/** What programs want to use and nobody has approved yet. */

import type { Desktop } from '../backend/backend'
import type { ApprovalView } from '../backend/bindings'
import { Work } from './work.svelte'

export class Approvals {
  all = $state.raw<ApprovalView[]>([])
  readonly answering = new Work()

  constructor(private readonly desktop: Desktop | null) {}

  start(): () => void {
    return this.desktop?.watchApprovals((approvals) => (this.all = approvals)) ?? (() => undefined)
  }

  /** Whether it could be answered. */
  async answer(id: number, allow: boolean): Promise<boolean> {
    return (await this.answering.run(async () => this.desktop?.answerApproval(id, allow))) !== null
  }
}
