/** A target in memory with the deltas of a chat vector: weights at any scales, each time made from the same two. */
import type { Scale } from '../../config/scales'
import { type ByteProgress, type Handle, type JobCallbacks, native, runJob } from '../../native'
import { tensorScales } from '../live/scales'
import type { SweepPlan } from './plan'

export interface LoadOptions {
  signal: AbortSignal
  onBytes: (label: string, progress: ByteProgress) => void
}

export class LiveTarget {
  private constructor(
    /** As it is stored, with the rows that a graft adds. */
    private readonly target: Handle,
    private readonly deltas: Handle,
    private readonly plan: SweepPlan,
  ) {}

  /** Reads the three models, once. */
  static async load(plan: SweepPlan, { signal, onBytes }: LoadOptions): Promise<LiveTarget> {
    const { inputs, models } = plan
    const { threads } = plan.config
    const telling = (label: string) => ({
      signal,
      onProgress: (progress: ByteProgress) => onBytes(label, progress),
    })
    const deltas = await loadDeltas(plan, telling('read difference'))
    const { spec } = models.target
    const target = await runJob('loadTarget', { ...inputs, spec, threads }, telling('read target')).catch(
      (error) => {
        native().dispose(deltas)
        throw error
      },
    )
    return new LiveTarget(target, deltas, plan)
  }

  /** Lets `work` have a model of the weights at a scale, and frees it. */
  async at<Result>(
    scale: Scale,
    signal: AbortSignal,
    work: (model: Handle) => Promise<Result>,
  ): Promise<Result> {
    const { target: model, deltas, plan } = this
    const { dtype, threads } = plan.config
    const scales = tensorScales(scale, plan.parameters, plan.models.target.spec.layers.length)
    const options = { model, deltas, scales, dtype, threads }
    const grafted = await runJob('graftModel', options, { signal })
    try {
      return await work(grafted.model)
    } finally {
      native().dispose(grafted.model)
    }
  }

  dispose(): void {
    native().dispose(this.target)
    native().dispose(this.deltas)
  }
}

async function loadDeltas(
  { inputs, config: { threads } }: SweepPlan,
  callbacks: JobCallbacks<ByteProgress>,
): Promise<Handle> {
  const opened = await runJob('openDeltas', inputs, callbacks)
  try {
    return await runJob('loadDeltas', { deltas: opened, threads }, callbacks)
  } finally {
    native().dispose(opened)
  }
}
