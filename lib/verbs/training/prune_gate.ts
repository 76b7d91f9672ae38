/**
 * Whether the loss has settled since the last pruning, as arXiv 2211.09949 asks before the next one: a running mean of
 * it, and the value that the mean had some time before. Decided from the saved state alone.
 */
import type { Gate } from './prune_schedule'

export interface GateState {
  /** Losses since the last pruning, until there are enough for a mean to start from. */
  first: number[]
  average?: number
  /** What the average was `lookback` updates before the next pruning. */
  kept?: number
}

/** As after a pruning. */
export const newGate = (): GateState => ({ first: [] })

/** The state after one more update. */
export function withLoss(
  { first, average, kept }: GateState,
  loss: number,
  { factor, seed }: Gate,
): GateState {
  if (average !== undefined) return { first, average: average * factor + loss * (1 - factor), ...keep(kept) }
  const losses = [...first, loss]
  if (losses.length < seed) return { first: losses, ...keep(kept) }
  return { first: [], average: losses.reduce((sum, one) => sum + one, 0) / seed, ...keep(kept) }
}

/** The state in which the average is kept to be compared with. */
export const withKept = (state: GateState): GateState => ({ ...state, ...keep(state.average) })

const keep = (kept: number | undefined) => (kept === undefined ? {} : { kept })

/** Whether the average has not fallen by more than the tolerance since it was kept; where it was not, there is nothing to wait for. */
export function isSettled({ average, kept }: GateState, { tolerance }: Gate): boolean {
  return kept === undefined || average === undefined || !(kept - tolerance > average)
}
