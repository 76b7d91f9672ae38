/** What the report of a run says of its zeros. */
import type { MaskCounts } from '../../native'
import type { TrainPlan } from './plan'
import { type Postponement, type Pruning, sparsityOf } from './pruner'
import type { RunState } from './state'

export interface MasksReport {
  /** Weights and biases of linear layers in blocks that were trained. */
  prunable: number
  /** Those of them that are zero, exactly. */
  zeros: number
  sparsity: number
}

export interface PruningReport {
  targets: TargetReport[]
  /** Where the gate let a target wait. */
  postponed: Postponement[]
  /** Targets that the run was too short for. */
  unreached: readonly number[]
}

export interface TargetReport extends Pruning {
  /** The last held-out loss before the next pruning. */
  eval_loss?: number
}

export function masksReport({ config }: TrainPlan, masked: MaskCounts): { masks?: MasksReport } {
  if (!config.pruning && !config.keep_zeros) return {}
  return { masks: { prunable: masked.prunable, zeros: masked.masked, sparsity: sparsityOf(masked) } }
}

export function pruningReport(
  { pruning: schedule }: TrainPlan,
  { pruning, evaluations }: RunState,
): { pruning?: PruningReport } {
  if (!schedule || !pruning) return {}
  const targets = pruning.done.map((one, i) => {
    const last = evaluations.findLast(({ targets_reached }) => targets_reached === i + 1)
    return { ...one, ...(last && { eval_loss: last.loss }) }
  })
  return {
    pruning: { targets, postponed: pruning.postponed, unreached: schedule.targets.slice(targets.length) },
  }
}
