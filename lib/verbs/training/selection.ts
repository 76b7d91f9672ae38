/** Which weights a run ends with, and when looking further is no use: both told by the held-out loss. */
import { keyError } from '../../config/parse'
import type { TrainConfig } from '../../config/train'
import type { Evaluation } from './state'

/** `best` where the config says so, or stops early. */
export function resultKind({ result, eval: evaluation }: TrainConfig): 'last' | 'best' {
  return result ?? (evaluation?.patience === undefined ? 'last' : 'best')
}

/** How many checkpoints of lowest loss stay: the one that the result may come from is among them. */
export function keepBest(config: TrainConfig): number {
  const needed = resultKind(config) === 'best' ? 1 : 0
  return Math.max(config.checkpoint.keep_best ?? 0, needed)
}

/** Whether the held-out loss decides what a run ends with. */
export const isSelective = (config: TrainConfig) =>
  resultKind(config) === 'best' || config.eval?.patience !== undefined

/** Weights that are no numbers any more have such a loss too, which a checkpoint has as null: worse than any other. */
const ranked = ({ loss }: Evaluation) => (Number.isFinite(loss) ? loss : Number.POSITIVE_INFINITY)

/**
 * Evaluations after an update, the best first; of equals the earlier one. The start is no candidate. More targets of a
 * pruning that were reached come before a lower loss: a denser model is not the result that was asked for.
 */
export function byLoss(evaluations: readonly Evaluation[]): Evaluation[] {
  const reached = ({ targets_reached = 0 }: Evaluation) => targets_reached
  return evaluations
    .filter(({ step }) => step > 0)
    .sort((a, b) => reached(b) - reached(a) || ranked(a) - ranked(b) || a.step - b.step)
}

/** Whether the last `patience` evaluations were none of them lower by more than `minDelta` than the best before. */
export function isExhausted(
  evaluations: readonly Evaluation[],
  patience: number | undefined,
  minDelta: number,
): boolean {
  if (patience === undefined) return false
  let best = Number.POSITIVE_INFINITY
  let waited = 0
  for (const loss of evaluations.filter(({ step }) => step > 0).map(ranked)) {
    const better = loss < best - minDelta
    waited = better ? 0 : waited + 1
    if (better) best = loss
  }
  return waited >= patience
}

/** Throws ERR_CONFIG for a choice by a loss that is not measured. */
export function checkSelection(config: TrainConfig, file: string): void {
  const asks = isSelective(config) || keepBest(config) > 0
  if (!asks || config.eval !== undefined) return
  const key = config.result === 'best' ? 'result' : 'checkpoint.keep_best'
  throw keyError(
    file,
    key,
    'expected eval beside it, received none',
    'eval: { data: [{ path: FILE }] } measures the held-out loss that tells the best.',
  )
}
