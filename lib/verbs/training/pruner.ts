/** Pruning between updates: what is due, what waits, and what is told of it. All it decides by is saved with the run. */
import type { MaskCounts } from '../../native'
import type { TrainPlan } from './plan'
import { type GateState, isSettled, newGate, withKept, withLoss } from './prune_gate'
import type { PruneSchedule } from './prune_schedule'
import type { Evaluation, RunState } from './state'
import type { Trainer } from './trainer'

export interface Pruning {
  /** Updates done when it was pruned: the next one was the first without these weights. */
  step: number
  target: number
  /** Zeros from there on. */
  zeros: number
}

/** A pruning that the gate did not let through. */
export interface Postponement {
  step: number
  target: number
  /** The running mean of the loss `lookback` updates before, and then. */
  kept: number
  average: number
}

export interface PruningState {
  /** Updates done when the next target is due. */
  next: number
  done: Pruning[]
  postponed: Postponement[]
  gate: GateState
}

/** As a line of metrics.jsonl has them. */
export interface PruningFigures {
  /** Share of the prunable weights that are zero. */
  sparsity?: number
  /** The target, on the first update after its pruning. */
  pruned_to?: number
  /** The target that waits, on the first update after it was put off. */
  prune_postponed?: number
  /** Running mean of the loss that the gate looks at. */
  smooth_loss?: number
}

export class Pruner {
  /** Counted when so many targets had been reached. */
  private counted: { after: number; counts: MaskCounts } | undefined

  constructor(
    private readonly trainer: Trainer,
    private readonly state: RunState,
    private readonly schedule: PruneSchedule | undefined,
  ) {
    if (schedule) state.pruning ??= { next: schedule.start, done: [], postponed: [], gate: newGate() }
  }

  /** Of a run that prunes or keeps zeros. */
  static of({ config, pruning }: TrainPlan, trainer: Trainer, state: RunState): Pruner | undefined {
    return config.keep_zeros || pruning ? new Pruner(trainer, state, pruning) : undefined
  }

  /** Targets that have been reached. */
  get reached(): number {
    return this.state.pruning?.done.length ?? 0
  }

  /** What an evaluation remembers. */
  get mark(): Pick<Evaluation, 'targets_reached'> {
    return this.schedule ? { targets_reached: this.reached } : {}
  }

  /** Before an update: prunes if it is time and the loss has settled, else puts it off by a period. */
  async beforeUpdate(signal: AbortSignal): Promise<void> {
    const { schedule } = this
    if (schedule) await this.#pruneIfDue(schedule, signal)
    if (this.counted?.after === this.reached) return
    this.counted = { after: this.reached, counts: await this.trainer.masked() }
  }

  async #pruneIfDue({ targets, every, scope, gate }: PruneSchedule, signal: AbortSignal): Promise<void> {
    const { step, pruning } = this.state
    const target = targets[this.reached]
    if (target === undefined || !pruning || step < pruning.next) return
    if (gate && !isSettled(pruning.gate, gate)) {
      const { kept, average } = pruning.gate as Required<GateState>
      pruning.postponed.push({ step, target, kept, average })
    } else {
      const { masked } = await this.trainer.prune(target, scope, signal)
      pruning.done.push({ step, target, zeros: masked })
      pruning.gate = newGate()
      this.state.recent = { losses: [], grad_norms: [] } // of a denser model: the jump after it is no spike
    }
    pruning.next = step + every
  }

  /** After an update that was taken: the running mean, for the gate of the next target. */
  taken(loss: number): void {
    const { schedule, state } = this
    const { pruning, step } = state
    if (!schedule?.gate || !pruning) return
    pruning.gate = withLoss(pruning.gate, loss, schedule.gate)
    // The first target waits for nothing: nothing was pruned that could recover.
    if (this.reached > 0 && step === pruning.next - schedule.gate.lookback)
      pruning.gate = withKept(pruning.gate)
  }

  /** What the line of an update tells. */
  figures(step: number): PruningFigures {
    const { done = [], postponed = [], gate } = this.state.pruning ?? {}
    const [pruned, waiting] = [done.at(-1), postponed.at(-1)]
    return {
      ...(this.counted && { sparsity: sparsityOf(this.counted.counts) }),
      ...(pruned?.step === step - 1 && { pruned_to: pruned.target }),
      ...(waiting?.step === step - 1 && { prune_postponed: waiting.target }),
      ...(gate?.average !== undefined && { smooth_loss: gate.average }),
    }
  }

  /** Those that patience counts: after the last target. Before it a loss that does not fall says nothing. */
  settled(evaluations: readonly Evaluation[]): Evaluation[] {
    const last = this.schedule?.targets.length ?? 0
    return this.reached < last
      ? []
      : evaluations.filter(({ targets_reached = 0 }) => targets_reached === last)
  }
}

export const sparsityOf = ({ prunable, masked }: MaskCounts) => (prunable === 0 ? 0 : masked / prunable)
