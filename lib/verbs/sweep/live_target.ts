/** A target in memory with the deltas of a chat vector: weights at any scales, each time made from the same two. */
import type { Scale } from '../../config/scales'
import { type ByteProgress, type Handle, native, runJob } from '../../native'
import { openDelta } from '../live/deltas'
import { tensorScales } from '../live/scales'
import type { SweepPlan } from './plan'

export interface LoadOptions {
  signal: AbortSignal
  onBytes: (label: string, progress: ByteProgress) => void
}

export class LiveTarget {
  private constructor(
    /** As it is stored. */
    private readonly target: Handle,
    private readonly deltas: Handle,
    private readonly plan: SweepPlan,
  ) {}

  /** Reads the three models, once. */
  static async load(plan: SweepPlan, { signal, onBytes }: LoadOptions): Promise<LiveTarget> {
    const { config, models } = plan
    const { target } = models
    const { base, chat, threads } = config
    const { folder, spec } = target
    const opened = await openDelta(target, { base, chat }, { signal })
    try {
      const deltas = await runJob(
        'loadDeltas',
        { deltas: opened, threads },
        { signal, onProgress: (progress: ByteProgress) => onBytes('read difference', progress) },
      )
      const options = { folder: folder.path, spec, dtype: 'stored', threads }
      const onProgress = (progress: ByteProgress) => onBytes('read target', progress)
      const weights = await runJob('loadModel', options, { signal, onProgress }).catch((error) => {
        native().dispose(deltas)
        throw error
      })
      return new LiveTarget(weights, deltas, plan)
    } finally {
      native().dispose(opened)
    }
  }

  /** Lets `work` have a model of the weights at a scale, and frees it. */
  async at<Result>(
    scale: Scale,
    signal: AbortSignal,
    work: (model: Handle) => Promise<Result>,
  ): Promise<Result> {
    const { target: model, deltas, plan } = this
    const { dtype, threads } = plan.config
    const scales = tensorScales(scale, plan.parameters, plan.models.target.spec.num_layers)
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
