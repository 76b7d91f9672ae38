/** What a training between stages does with the zeros that it finds, and with those that it makes. */
import type { ModelSpec } from '../../checkpoint/model_spec'
import type { TrainConfig } from '../../config/train'
import { blockLinears } from '../../counting/model_size'
import { blockMatrices } from '../../counting/parameters'
import { modelSize } from '../../counting/registry'
import { prunedCount, pruneSchedule } from '../training/prune_schedule'
import type { Shape } from './stage'

type Keys = Partial<Pick<TrainConfig, 'keep_zeros' | 'lora' | 'pruning' | 'freeze'>> &
  Pick<TrainConfig, 'steps'>

/** The key that keeps them, unless the config says otherwise: an adapter, once merged, would fill them in. */
export function keepingZeros(
  { keep_zeros, lora }: Pick<Keys, 'keep_zeros' | 'lora'>,
  { zeros }: Shape,
): { keep_zeros?: boolean } {
  const keep = keep_zeros ?? (zeros > 0 && lora === undefined)
  return keep ? { keep_zeros: true } : {}
}

/** Weights that were zero and are not kept learn like all others. */
export function afterTraining(shape: Shape, keys: Keys): Shape {
  const kept = keepingZeros(keys, shape).keep_zeros ? shape.zeros : 0
  if (!keys.pruning) return { ...shape, zeros: kept }
  const { start, every, targets, scope, gate } = pruneSchedule(keys)!
  const sparsity = targets.filter((_, i) => start + i * every < keys.steps).at(-1) ?? 0
  const matrices = [...blockMatrices(modelSize(shape.spec))].map(({ rows, columns }) => [rows, columns])
  const zeros = Math.max(kept, prunedCount(matrices, scope, sparsity))
  const doubt = gate ? 'how far the pruning comes before the training ends' : whatIsNotKnown(shape, keys)
  return { ...shape, zeros, ...(doubt !== undefined && { unknown: shape.unknown ?? doubt }) }
}

function whatIsNotKnown({ spec, open, zeros }: Shape, { freeze, pruning }: Keys): string | undefined {
  if (freeze) return 'how many of the weights are trained'
  if (hasBiases(spec)) return 'how many of the zeros are in biases'
  if (pruning!.scope === 'global') return undefined
  if (open?.length) return 'how large each matrix is'
  return zeros > 0 ? 'which of the zeros were there before' : undefined
}

const hasBiases = (spec: ModelSpec) =>
  modelSize(spec).blocks.some((block) => blockLinears(block).some(({ bias }) => bias))
