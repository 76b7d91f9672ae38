/** How fast updates are, and how much of what the machine can do and hold they use. */
import { runJob, type StepOutcome } from '../../native'
import { updateFlops } from './flops'
import { peakRate } from './peak_rate'
import type { TrainPlan } from './plan'

/** As a line of metrics.jsonl has them. */
export interface SpeedFigures {
  /** Places that are not padding. */
  tokens_per_second: number
  /** All places. */
  padded_tokens_per_second: number
  /** Model FLOPs utilisation: a share of the measured rate of matrix products. */
  mfu: number
  /** On a GPU whose data sheet is known: a share of what that says. */
  peak_mfu?: number
  /** Resident in this process after the update, and the most so far. */
  memory_bytes: number
  /** The most that was resident so far. */
  peak_memory_bytes: number
  /** On a GPU: of tensors after the update, and the most so far. */
  device_memory_bytes?: number
  /** On a GPU: of tensors, the most so far. */
  device_peak_memory_bytes?: number
}

const MEASURED_SECONDS = 0.2
/** Of this process, by dtype and threads: later runs need not measure again. */
const rates = new Map<string, number>()

export class Speed {
  private tokens = 0
  private seconds = 0
  private devicePeak: number | undefined

  private constructor(
    /** Floating-point operations that one token takes, forward and backward: flops.ts says which are counted. */
    readonly flopsPerToken: number,
    /** Floating-point operations a second of products of two matrices of 1024, on a GPU of 8192. */
    readonly matrixRate: number,
    /** The same by the data sheet of a GPU that is known. */
    readonly peakRate: number | undefined,
    /** Places of an update, padding included. */
    private readonly places: number,
    /** As fast as this one each. */
    private readonly processes: number,
  ) {}

  /** Measures for a moment how fast this machine multiplies matrices in the dtype and on the threads of the run. */
  static async of(plan: TrainPlan, signal: AbortSignal, processes: number): Promise<Speed> {
    const { config } = plan
    const { batch_size, accumulation, sequence_length } = config
    return new Speed(
      updateFlops(plan),
      await matrixRate(config, signal),
      await dataSheetRate(config),
      batch_size * accumulation * sequence_length,
      processes,
    )
  }

  /** Of an update with so many real tokens that took so long. */
  figures(tokens: number, seconds: number, device?: StepOutcome['device']): SpeedFigures {
    this.tokens += tokens
    this.seconds += seconds
    this.devicePeak = device?.peak_bytes
    const peak_mfu = this.#shareOf(this.peakRate, tokens, seconds)
    return {
      tokens_per_second: tokens / seconds,
      padded_tokens_per_second: this.places / seconds,
      mfu: this.#shareOf(this.matrixRate, tokens, seconds)!,
      ...(peak_mfu !== undefined && { peak_mfu }),
      memory_bytes: process.memoryUsage.rss(),
      peak_memory_bytes: peakMemory(),
      ...(device && {
        device_memory_bytes: device.used_bytes,
        device_peak_memory_bytes: device.peak_bytes,
      }),
    }
  }

  /** Of all updates so far, without what happens between them. */
  summary(): { mfu: number; peak_mfu?: number; device_peak_memory_bytes?: number } {
    const { tokens, seconds, devicePeak } = this
    const peak_mfu = this.#shareOf(this.peakRate, tokens, seconds)
    return {
      mfu: this.#shareOf(this.matrixRate, tokens, seconds)!,
      ...(peak_mfu !== undefined && { peak_mfu }),
      ...(devicePeak !== undefined && { device_peak_memory_bytes: devicePeak }),
    }
  }

  #shareOf(rate: number | undefined, tokens: number, seconds: number): number | undefined {
    return rate && (tokens * this.flopsPerToken) / seconds / (rate * this.processes)
  }
}

export const peakMemory = () => process.resourceUsage().maxRSS * 1024

async function dataSheetRate({ device, dtype }: TrainPlan['config']): Promise<number | undefined> {
  return device === 'cpu' ? undefined : peakRate((await runJob('describeGpu', { device })).name, dtype)
}

/**
 * Floating-point operations a second of products of two matrices of 1024, on a GPU of 8192: in the dtype, on the device
 * and the threads of a run.
 */
export async function matrixRate(
  { dtype, device, threads }: Pick<TrainPlan['config'], 'dtype' | 'device' | 'threads'>,
  signal: AbortSignal,
): Promise<number> {
  const key = `${dtype} ${device} ${threads}`
  const known = rates.get(key)
  if (known !== undefined) return known
  const options = { dtype, device, threads, seconds: MEASURED_SECONDS }
  const { flops_per_second } = await runJob('matmulRate', options, { signal })
  rates.set(key, flops_per_second)
  return flops_per_second
}
