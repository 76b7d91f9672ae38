/** How long a run will take, foretold from its arithmetic and from how fast this machine multiplies matrices. */
import { forwardFlops, teacherFlops, updateFlops } from './flops'
import type { TrainPlan } from './plan'
import { matrixRate } from './speed'

export interface TimeEstimate {
  /** Of products of two matrices of 1024, in the dtype and on the threads of the run. */
  matrix_flops_per_second: number
  seconds: number
}

/** Share of that rate which training is taken to reach: docs/train.md says so. */
export const UTILISATION = 0.5

/** Measures the machine for a moment. Saving and reading data are not counted. */
export async function foretellTime(plan: TrainPlan, signal: AbortSignal): Promise<TimeEstimate> {
  const rate = await matrixRate(plan.config, signal)
  const seconds = (trainedFlops(plan) + evaluatedFlops(plan)) / (UTILISATION * rate)
  return { matrix_flops_per_second: rate, seconds }
}

function trainedFlops(plan: TrainPlan): number {
  const { config, spec } = plan
  const { steps, batch_size, accumulation, sequence_length } = config
  const again = config.activation_checkpointing === 'block' ? forwardFlops(spec, sequence_length) : 0
  const tokens = steps * batch_size * accumulation * sequence_length
  return tokens * (updateFlops(plan) + again)
}

// Before the first update, every so many, and after the last.
function evaluatedFlops(plan: TrainPlan): number {
  const { config, spec, held_out } = plan
  if (!config.eval || !held_out) return 0
  const { sequence_length, steps } = config
  const times = 1 + Math.ceil(steps / config.eval.every)
  const flops = forwardFlops(spec, sequence_length) + teacherFlops(plan)
  return times * held_out.rows.rowsPerEpoch * sequence_length * flops
}
