/** Whose weights a run ends with. */
import type { Checkpoint, Checkpoints } from './checkpoints'
import { byLoss } from './selection'
import type { RunState } from './state'

/** The checkpoint of the lowest held-out loss; undefined where no other is better than the last weights. */
export async function bestOf(
  { step: last, evaluations }: RunState,
  checkpoints: Checkpoints,
  warn: (message: string) => void,
): Promise<Checkpoint | undefined> {
  for (const { step } of byLoss(evaluations)) {
    const checkpoint = step === last ? undefined : await checkpoints.at(step, warn)
    if (checkpoint || step === last) return checkpoint
  }
  return undefined
}
