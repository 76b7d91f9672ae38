/** What a training between stages does with the zeros that it finds. */
import type { TrainConfig } from '../../config/train'
import type { Shape } from './stage'

type Keys = Partial<Pick<TrainConfig, 'keep_zeros' | 'lora' | 'pruning'>>

/** The key that keeps them, unless the config says otherwise: an adapter, once merged, would fill them in. */
export function keepingZeros({ keep_zeros, lora }: Keys, { zeros }: Shape): { keep_zeros?: boolean } {
  const keep = keep_zeros ?? (zeros > 0 && lora === undefined)
  return keep ? { keep_zeros: true } : {}
}

/** Weights that were zero and are not kept learn like all others. */
export function afterTraining(shape: Shape, keys: Keys): Shape {
  const zeros = keepingZeros(keys, shape).keep_zeros ? shape.zeros : 0
  if (!keys.pruning) return { ...shape, zeros }
  return { ...shape, zeros, unknown: shape.unknown ?? 'how many weights its training prunes' }
}
