/** What is wrong with an update, and what the config says to do about it: decided from the saved state alone. */
import { keyError } from '../../config/parse'
import type { TrainConfig } from '../../config/train'
import type { RunState } from './state'

/** Why an update was not taken: a loss or gradient that is no number, or a jump. */
export type AnomalyKind = 'non_finite' | 'spike'

/** An update that was refused, and what the run did. */
export interface Anomaly {
  /** What was wrong with it. */
  kind: AnomalyKind
  /** What was done: its batch was left out, or the run went back to a checkpoint. */
  action: 'skip' | 'rollback'
  /** Number of the update, from 1. */
  step: number
  /** Number of its batch in the order of the data, from 0. */
  batch: number
  /** What they would have been; as text where they are no numbers, which JSON has none for. */
  loss: number | string
  /** As `loss`. */
  grad_norm: number | string
  /** What they were above; of a spike. */
  loss_limit?: number
  /** As `loss_limit`. */
  grad_norm_limit?: number
  /** Updates that were left after a rollback. */
  back_to?: number
}

/** What the updates before were like: where spikes are looked for. */
export interface Recent {
  losses: number[]
  grad_norms: number[]
}

/** An update above one of them is a spike; absent: nothing is. */
export interface Limits {
  loss_limit?: number
  grad_norm_limit?: number
}

type Policy = TrainConfig['anomaly']

/** Of the spread, so that a loss that hardly moves does not make a spike of noise. */
const LEAST_SPREAD = 0.01
/** Makes of the median distance from the median the standard deviation, where values are normal. */
const OF_NORMAL = 1.4826
/** max_skips is a share of so many updates. */
const SKIP_SPAN = 1000

/** median + factor * max(1.4826 * median |value - median|, 1 % of the median); infinite where nothing varies. */
export function spikeLimit(values: readonly number[], factor: number): number {
  const middle = median(values)
  const distance = median(values.map((value) => Math.abs(value - middle)))
  const spread = Math.max(OF_NORMAL * distance, LEAST_SPREAD * Math.abs(middle))
  return spread === 0 ? Number.POSITIVE_INFINITY : middle + factor * spread
}

/** What the next update is held against. */
export function limitsOf({ losses, grad_norms }: Recent, policy: Policy): Limits {
  if (policy.spike === 'off' || losses.length < policy.window) return {}
  const { factor, grad_norm_factor } = policy
  return {
    ...limit('loss_limit', losses, factor),
    ...(grad_norm_factor !== undefined && limit('grad_norm_limit', grad_norms, grad_norm_factor)),
  }
}

// One that is infinite limits nothing, and JSON has no number for it.
function limit(key: keyof Limits, values: readonly number[], factor: number): Limits {
  const value = spikeLimit(values, factor)
  return Number.isFinite(value) ? { [key]: value } : {}
}

/** Adds an update that was taken to what the next ones are held against. */
export function remember(
  recent: Recent,
  { loss, grad_norm }: { loss: number; grad_norm: number },
  policy: Policy,
): void {
  if (policy.spike === 'off') return
  recent.losses = [...recent.losses, loss].slice(-policy.window)
  recent.grad_norms = [...recent.grad_norms, grad_norm].slice(-policy.window)
}

/** What to do about an update that was refused; `stop` names why where the config has another wish. */
export function decide(
  kind: AnomalyKind,
  { step, anomalies }: RunState,
  policy: Policy,
): { action: Anomaly['action'] } | { action: 'stop'; reason?: string } {
  const wish = policy[kind]
  const earlier = anomalies.filter((one) => one.action === wish)
  if (wish === 'skip') {
    const near = earlier.filter((one) => one.step > step + 1 - SKIP_SPAN)
    if (near.length < policy.max_skips) return { action: wish }
    return { action: 'stop', reason: spent('max_skips', `batches left out in ${SKIP_SPAN} updates`, near) }
  }
  if (wish === 'rollback') {
    if (earlier.length < policy.rollback.max) return { action: wish }
    return { action: 'stop', reason: spent('rollback.max', 'rollbacks', earlier) }
  }
  return { action: 'stop' }
}

function spent(key: string, what: string, earlier: readonly Anomaly[]): string {
  const places = earlier.map(({ step, batch }) => `update ${step} (batch ${batch})`)
  return `anomaly.${key} allows no more than the ${earlier.length} ${what}: ${places.join(', ') || 'none'}`
}

/** The newest checkpoint to go back to from a step: a function of the step, whatever else was saved. */
export function rollbackTarget(step: number, { anomaly, checkpoint }: TrainConfig): number {
  const { every } = checkpoint
  return Math.max(0, Math.floor((step - anomaly.rollback.back) / every) * every)
}

export const mayRollBack = ({ anomaly }: TrainConfig) =>
  anomaly.non_finite === 'rollback' || anomaly.spike === 'rollback'

/** Batches that a rollback leaves out. */
export const rollbackSkip = ({ anomaly, checkpoint }: TrainConfig) =>
  anomaly.rollback.skip ?? anomaly.rollback.back + checkpoint.every

/** What the line of an update in metrics.jsonl tells of what was met since the update before it. */
export function marksOf(
  anomalies: readonly Anomaly[],
  step: number,
): { skipped?: AnomalyKind[]; rolled_back_from?: number } {
  const last = anomalies.findLastIndex(({ action }) => action === 'rollback')
  const rollback = anomalies[last]
  const skipped = anomalies.slice(last + 1).filter((one) => one.step === step)
  return {
    ...(rollback?.back_to === step - 1 && { rolled_back_from: rollback.step }),
    ...(skipped.length > 0 && { skipped: skipped.map(({ kind }) => kind) }),
  }
}

/** Throws ERR_CONFIG for a rollback without checkpoints, or onto the batch that it comes from. */
export function checkAnomalyKeys(config: TrainConfig, file: string): void {
  if (!mayRollBack(config)) return
  const { every } = config.checkpoint
  if (every === 0)
    throw keyError(
      file,
      'checkpoint.every',
      'expected a number from 1 for a rollback, received 0',
      'A rollback goes back to a checkpoint: checkpoint: { every: 100 }.',
    )
  const { back, skip } = config.anomaly.rollback
  if (skip !== undefined && skip < back + every) {
    throw keyError(
      file,
      'anomaly.rollback.skip',
      `expected at least back + checkpoint.every = ${back + every}, received ${skip}`,
      'Else the batch that was met would come again.',
    )
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
