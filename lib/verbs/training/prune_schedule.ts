/** When weights are pruned, and how many: everything that is known before the first update. */
import { keyError } from '../../config/parse'
import type { Pruning } from '../../config/pruning'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import type { TrainPlan } from './plan'

/** Cumulative shares of arXiv 2211.09949: in large steps to 0.7, then in ever smaller ones. */
export const PAPER_TARGETS: readonly number[] = [
  ...[0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.675, 0.7],
  ...Array.from({ length: 20 }, (_, i) => (71 + i) / 100),
  ...[0.91, 0.915, 0.92, 0.925, 0.93, 0.935, 0.94, 0.945, 0.95],
]
/** The paper's updates between two prunings. */
const PAPER_PERIOD = 25_000
const PERIOD = 100

/** As native/train/masks.h prunes: one competition for all, one a tensor, one a row. */
type Scope = Pruning['scope']
type Shape = readonly number[]

/** When the loss counts as settled; the numbers of the config, all of them given. */
export interface Gate {
  factor: number
  seed: number
  lookback: number
  tolerance: number
}

export interface PruneSchedule {
  /** Updates before the first pruning, and between two. */
  start: number
  every: number
  /** Shares of the prunable weights, rising. */
  targets: readonly number[]
  scope: Scope
  gate: Gate | undefined
}

/** With every number that the config leaves to its schedule. */
export function pruneSchedule({
  pruning,
  steps,
}: Pick<TrainConfig, 'pruning' | 'steps'>): PruneSchedule | undefined {
  if (pruning === undefined) return undefined
  const paper = pruning.schedule === 'paper'
  const { every = paper ? PAPER_PERIOD : PERIOD, scope } = pruning
  const { start = paper ? every : 0 } = pruning
  const all = targetsOf(pruning, { start, every, steps })
  const idle = all[0] === 0 ? 1 : 0 // a first share of 0 prunes nothing: the others come when they would
  return { start: start + idle * every, every, targets: all.slice(idle), scope, gate: gateOf(pruning, every) }
}

function targetsOf(
  pruning: Pruning,
  when: { start: number; every: number; steps: number },
): readonly number[] {
  if (pruning.schedule === 'paper') return PAPER_TARGETS
  return pruning.targets ?? cubicTargets(pruning, when)
}

/** s_f + (s_i - s_f) (1 - i / n)^3 for i = 0..n: Zhu & Gupta 2017, arXiv 1710.01878. Exactly s_i and s_f at its ends. */
export function cubicTargets(
  { initial = 0, final = 0, end }: Pick<Pruning, 'initial' | 'final' | 'end'>,
  { start, every, steps }: { start: number; every: number; steps: number },
): number[] {
  const n = Math.floor((lastOf(end, steps) - start) / every)
  return Array.from({ length: n + 1 }, (_, i) => {
    const left = (1 - i / n) ** 3
    return initial * left + final * (1 - left)
  })
}

const lastOf = (end: number | undefined, steps: number) => end ?? Math.floor(0.75 * steps)

function gateOf({ gate, schedule }: Pruning, every: number): Gate | undefined {
  const chosen = gate ?? (schedule === 'paper' ? { seed: 3, tolerance: 0.001 } : 'off')
  if (chosen === 'off') return undefined
  const { factor = Math.max(0, 1 - 5 / every), lookback = Math.round(0.6 * every), seed, tolerance } = chosen
  return { factor, seed, lookback, tolerance }
}

/** A pruning as it is planned: after so many updates, at the earliest where there is a gate. */
export interface PlannedPruning {
  step: number
  sparsity: number
  /** Zeros among the prunable weights from there on, unless there were more before. */
  weights: number
}

/** What a dry run tells. */
export interface PruningSummary {
  /** Weights and biases of linear layers in blocks that are trained. */
  prunable: number
  scope: Scope
  targets: PlannedPruning[]
  /** Targets that lie within `steps`; the rest is not reached. */
  reached: number
  gate?: Gate
}

export function summarisePruning(
  schedule: PruneSchedule,
  { config: { steps }, trained: { prunable: shapes } }: Pick<TrainPlan, 'config' | 'trained'>,
): PruningSummary {
  const { start, every, scope, gate } = schedule
  const targets = schedule.targets.map((sparsity, i) => ({
    step: start + i * every,
    sparsity,
    weights: prunedCount(shapes, scope, sparsity),
  }))
  return {
    prunable: shapes.reduce((sum, shape) => sum + size(shape), 0),
    scope,
    targets,
    reached: targets.filter(({ step }) => step < steps).length,
    ...(gate && { gate }),
  }
}

/** Says that a run is too short for its targets. */
export function warnOfPruning(
  plan: Pick<TrainPlan, 'config' | 'trained' | 'pruning'>,
  warn: (message: string) => void,
): void {
  if (!plan.pruning) return
  const { targets, reached } = summarisePruning(plan.pruning, plan)
  if (reached === targets.length) return
  const last = targets.at(-1)!
  const end =
    reached === 0
      ? 'nothing will be pruned'
      : `the result will have ${targets[reached - 1]!.sparsity} of its prunable weights at zero`
  warn(
    `pruning: ${reached} of ${targets.length} targets lie within the run: ${end}. The last one comes after ${last.step} updates: steps above that reach it, or a smaller pruning.every`,
  )
}

const size = (shape: Shape) => shape.reduce((product, length) => product * length, 1)

/** Weights that are zero at a share: native/kernels/magnitude_mask.h counts so. */
export function prunedCount(shapes: readonly Shape[], scope: Scope, share: number): number {
  if (scope === 'global')
    return shareOf(
      share,
      shapes.reduce((sum, shape) => sum + size(shape), 0),
    )
  return shapes.reduce((sum, shape) => {
    const rows = scope === 'row' && shape.length > 1 ? shape[0]! : 1
    return sum + rows * shareOf(share, size(shape) / rows)
  }, 0)
}

/** round(share * n), half to even: torch.nn.utils.prune and native/kernels/magnitude_mask.h count so. */
export function shareOf(share: number, n: number): number {
  const exact = share * n
  const below = Math.floor(exact)
  if (exact - below !== 0.5) return Math.round(exact)
  return below % 2 === 0 ? below : below + 1
}

/** Throws ERR_CONFIG where there is nothing to prune. */
export function checkPool(
  { pruning }: TrainConfig,
  { prunable }: Pick<TrainPlan['trained'], 'prunable'>,
): void {
  if (!pruning || prunable.length > 0) return
  throw new TongueforgeError(
    'ERR_CONFIG',
    'config: pruning: expected linear layers in blocks that are trained, and all of them are frozen',
    { hint: 'Name fewer parameters in freeze.', details: { key: 'pruning' } },
  )
}

/** Throws ERR_CONFIG for what contradicts itself: times that do not fit, zeros of a model that there is none of. */
export function checkPruning(config: TrainConfig, file: string): void {
  const wrong = (key: string, problem: string, hint: string) => keyError(file, key, problem, hint)
  const { pruning, keep_zeros, lora, steps } = config
  if (keep_zeros && config.init)
    throw wrong(
      'keep_zeros',
      'expected model beside it, received init',
      'Random weights have no zeros to keep.',
    )
  if (keep_zeros && lora?.merge)
    throw wrong(
      'keep_zeros',
      'expected lora.merge: false beside it, received true',
      'Merging an adapter fills the zeros in. Train all weights, or keep the adapter apart.',
    )
  if (pruning && lora)
    throw wrong('pruning', 'expected no lora beside it', 'lora freezes the weights that would be pruned.')
  const { start, every, gate } = pruneSchedule(config) ?? {}
  if (pruning?.schedule === 'cubic' && lastOf(pruning.end, steps) < start! + every!)
    throw wrong(
      'pruning.end',
      `expected at least start + every = ${start! + every!}, received ${lastOf(pruning.end, steps)}`,
      'A curve has two ends. Lower pruning.every, or train longer; one pruning alone is schedule: targets.',
    )
  if (gate && every! - gate.lookback < gate.seed)
    throw wrong(
      'pruning.gate.lookback',
      `expected at most every - seed = ${every! - gate.seed}, received ${gate.lookback}`,
      'The mean that is kept is one of losses after the pruning before.',
    )
}
