/** How fast updates are, and how much of what the machine can do and hold they use. */
import { runJob } from '../../native'
import { updateFlops } from './flops'
import type { TrainPlan } from './plan'

/** As a line of metrics.jsonl has them. */
export interface SpeedFigures {
  /** Places that are not padding. */
  tokens_per_second: number
  /** All places. */
  padded_tokens_per_second: number
  /** Model FLOPs utilisation: a share of the measured rate of matrix products. */
  mfu: number
  /** Resident in this process after the update, and the most so far. */
  memory_bytes: number
  peak_memory_bytes: number
}

const MEASURED_SECONDS = 0.2
/** Of this process, by dtype and threads: later runs need not measure again. */
const rates = new Map<string, number>()

export class Speed {
  private tokens = 0
  private seconds = 0

  private constructor(
    /** Floating-point operations that one token takes, forward and backward: flops.ts says which are counted. */
    readonly flopsPerToken: number,
    /** Floating-point operations a second of products of two matrices of 1024. */
    readonly matrixRate: number,
    /** Places of an update, padding included. */
    private readonly places: number,
  ) {}

  /** Measures for a moment how fast this machine multiplies matrices in the dtype and on the threads of the run. */
  static async of(plan: TrainPlan, signal: AbortSignal): Promise<Speed> {
    const { config } = plan
    const { batch_size, accumulation, sequence_length } = config
    return new Speed(
      updateFlops(plan),
      await matrixRate(config, signal),
      batch_size * accumulation * sequence_length,
    )
  }

  /** Of an update with so many real tokens that took so long. */
  figures(tokens: number, seconds: number): SpeedFigures {
    this.tokens += tokens
    this.seconds += seconds
    return {
      tokens_per_second: tokens / seconds,
      padded_tokens_per_second: this.places / seconds,
      mfu: this.#utilisation(tokens, seconds),
      memory_bytes: process.memoryUsage.rss(),
      peak_memory_bytes: peakMemory(),
    }
  }

  /** Of all updates so far, without what happens between them. */
  get mfu(): number {
    return this.#utilisation(this.tokens, this.seconds)
  }

  #utilisation(tokens: number, seconds: number): number {
    return (tokens * this.flopsPerToken) / seconds / this.matrixRate
  }
}

export const peakMemory = () => process.resourceUsage().maxRSS * 1024

/** Floating-point operations a second of products of two matrices of 1024, in the dtype and on the threads of a run. */
export async function matrixRate(
  { dtype, threads }: TrainPlan['config'],
  signal: AbortSignal,
): Promise<number> {
  const key = `${dtype} ${threads}`
  const known = rates.get(key)
  if (known !== undefined) return known
  const options = { dtype, threads, seconds: MEASURED_SECONDS }
  const { flops_per_second } = await runJob('matmulRate', options, { signal })
  rates.set(key, flops_per_second)
  return flops_per_second
}
