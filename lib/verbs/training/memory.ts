/** What a run keeps in memory and on disk, in closed form. */
import { countParameters } from '../../checkpoint/model_config'
import type { TrainConfig } from '../../config/train'
import type { TrainPlan } from './plan'

type Optimizer = TrainConfig['optimizer']
type Shape = readonly number[]

const size = (shape: Shape) => shape.reduce((product, length) => product * length, 1)
const sum = (shape: Shape) => shape.reduce((total, length) => total + length, 0)

/** Bytes that an optimizer keeps of one parameter: a row a kind. */
const STATE_BYTES: Record<Optimizer['kind'], (shape: Shape, optimizer: Optimizer) => number> = {
  adamw: (shape) => 8 * size(shape),
  adafactor: (shape, { beta1 }) => 4 * sum(shape) + (beta1 ? 4 * size(shape) : 0),
}

/** Moments of all that is trained. */
export function optimizerBytes({ config: { optimizer }, trained }: TrainPlan): number {
  return trained.shapes.reduce((total, shape) => total + STATE_BYTES[optimizer.kind](shape, optimizer), 0)
}

/** What is trained, in float32, and its moments. */
export const checkpointBytes = (plan: TrainPlan) => 4 * plan.trained.parameters + optimizerBytes(plan)
export const modelBytes = ({ spec }: TrainPlan) => 4 * countParameters(spec)

/** Weights in their dtype; of what is trained float32 values, where the weights are not, gradients and moments. */
export function memoryBytes(plan: TrainPlan): number {
  const { config, spec, trained } = plan
  const half = config.dtype !== 'float32'
  return (
    (half ? 2 : 4) * countParameters(spec) +
    4 * (trained.parameters - trained.own_parameters) +
    (half ? 4 : 0) * trained.own_parameters +
    4 * trained.parameters +
    optimizerBytes(plan)
  )
}
