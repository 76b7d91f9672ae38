/** Start and arms measured one after another, and which arm is the best so far; what won is made smaller. */
import type { ChosenTasks } from '../../tasks/registry'
import type { EvaluationRow } from '../evaluating/report'
import type { ReadConfig } from './config'
import type { AdaptFolder } from './folder'
import type { Identity } from './identity'
import { type Pick, pickArm } from './pick'
import { type AdaptStages, COMPRESSED, evaluationOf, type PlannedArm, planCompression, START } from './plan'
import type { StageRunner } from './run'
import { tableOf } from './table'

/** What is known once every text has been looked at. */
export interface AdaptPlan extends AdaptStages {
  read: ReadConfig
  /** Names and files. */
  tasks: readonly string[]
  groups: ChosenTasks['groups']
  identity: Identity
}

export class Contest {
  constructor(
    readonly plan: AdaptPlan,
    readonly runner: StageRunner,
    readonly folder: AdaptFolder,
  ) {}

  /** Arms that are wanted; what cannot win any more goes, unless all is to stay. Throws what a stage throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { arms, read } = this.plan
    await this.runner.need(evaluationOf(START))
    for (const { name } of arms) {
      if (!this.#isWanted(name)) continue
      signal.throwIfAborted()
      await this.runner.need(evaluationOf(name))
      if (read.config.keep === 'picked') await this.runner.release(await this.#mayWin())
    }
    if (read.config.compress !== undefined) await this.#compress()
  }

  /** Arms that are measured, by this session or an earlier one. */
  get measured(): PlannedArm[] {
    return this.plan.arms.filter(({ name }) => this.runner.isDone(evaluationOf(name)))
  }

  /** Whether the winner is, by this session or an earlier one. */
  get isCompressed(): boolean {
    return this.runner.isDone(evaluationOf(COMPRESSED))
  }

  /** The table, and what the rule makes of it. */
  async outcome(): Promise<{ rows: EvaluationRow[]; pick: Pick; winner: PlannedArm | undefined }> {
    const measured = this.measured
    const names = measured.map(({ name }) => name)
    const shown = [START, ...names, ...(this.isCompressed ? [COMPRESSED] : [])]
    const rows = await tableOf(
      shown.map((name) => ({ name, folder: this.folder.place(evaluationOf(name)) })),
      this.plan,
    )
    const pick = pickArm(names, rows, this.plan.read.config.pick)
    return { rows, pick, winner: measured.find(({ name }) => name === pick.picked) }
  }

  #isWanted(name: string): boolean {
    const { only, skip } = this.plan.read.config
    return !skip.includes(name) && (only.length === 0 || only.includes(name))
  }

  /** The best arm so far; all of them while none meets the requirements. */
  async #mayWin(): Promise<Set<string>> {
    const { winner } = await this.outcome()
    const able = winner ? [winner] : this.measured
    return new Set(able.map(({ result }) => result))
  }

  // Planned though it may be left for another day: what an earlier session made of the winner is found.
  async #compress(): Promise<void> {
    const { winner } = await this.outcome()
    if (winner === undefined) return
    const { read, tasks, identity, stages } = this.plan
    for (const stage of planCompression(read, { stage: winner.result }, tasks)) {
      await identity.add(stage)
      stages.push(stage)
      if (this.#isWanted('compress')) await this.runner.need(stage.name)
    }
  }
}
