/** What a point is: its loss on held-out text, its counts, its speed. */
import type { LandscapeConfig } from '../../config/landscape'
import { loadModelText } from '../../text/model_text'
import { HeldOut } from '../compressing/calibration'
import { type Means, ModelAtHand } from '../compressing/model_at_hand'
import { stockObstacle } from '../compressing/shapes'
import { inspect } from '../inspect'
import type { PointFigures } from './record'
import { speedOf } from './speed'

export interface MeasureOptions {
  signal: AbortSignal
  onProgress: (progress: { label: string; done: number; total: number }) => void
}

export class PointMeasure {
  private constructor(
    private readonly heldOut: HeldOut,
    readonly config: LandscapeConfig,
    private readonly means: Means,
  ) {}

  /** Reads the held-out text, once for all points. Throws ERR_DATA. */
  static async open(
    config: LandscapeConfig,
    original: ModelAtHand,
    means: Means,
    options: { signal: AbortSignal; onWarning: (message: string) => void },
  ): Promise<PointMeasure> {
    const text = await loadModelText(original.folder)
    return new PointMeasure(
      await HeldOut.open(config, text, { kind: original.spec.kind, ...options }),
      config,
      means,
    )
  }

  /** Of a model folder. Counts first, as what cannot be counted need not be timed. */
  async of(folder: string, { signal, onProgress }: MeasureOptions): Promise<PointFigures> {
    const { tokens } = this.config.measure
    const { parameters, bytes, macs } = await inspect(folder, { macs: true, tokens, signal })
    const model = await ModelAtHand.open(folder, this.means)
    try {
      const handle = await model.loaded(signal)
      const quality = await this.heldOut.measure(handle, { signal, onProgress })
      const speed = await speedOf(handle, model.spec.vocab_size, this.config.measure, {
        signal,
        onProgress,
      })
      const numbers = Number.isFinite(quality.loss) ? quality : { loss: null, perplexity: null }
      return {
        ...numbers,
        parameters: { total: parameters.total, nonzero: parameters.nonzero! },
        bytes,
        macs: { tokens, core: macs!.core, superb: macs!.superb, effective: macs!.effective },
        speed,
        loads_in: stockObstacle(model.spec) === undefined ? 'transformers' : 'tongueforge',
      }
    } finally {
      model.release()
    }
  }

  close(): Promise<void> {
    return this.heldOut.close()
  }
}
