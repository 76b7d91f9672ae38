/** What a point is: its loss on held-out text, its counts, its speed. */
import type { LandscapeConfig } from '../../config/landscape'
import type { Handle } from '../../native'
import { HeldOut } from '../compressing/calibration'
import { type Means, ModelAtHand } from '../compressing/model_at_hand'
import { stockObstacle } from '../compressing/shapes'
import { inspect, type MacCounts } from '../inspect'
import type { ProbeFigures } from '../probing/figures'
import { openReader } from '../training/model_reader'
import type { PointProbes } from './probing'
import type { PointFigures, PointSpeed } from './record'
import type { MeasuredRow } from './row'
import { speedOf } from './speed'

export interface MeasureOptions {
  signal: AbortSignal
  /** Hears of tensors that are not read. */
  onWarning: (message: string) => void
  onProgress: (progress: { label: string; done: number; total: number }) => void
}

export class PointMeasure {
  private constructor(
    private readonly heldOut: HeldOut,
    readonly config: LandscapeConfig,
    private readonly means: Means,
    /** Folder of the model that all start from. */
    private readonly original: string,
    private readonly row: MeasuredRow,
    private readonly probes: PointProbes | undefined,
  ) {}

  /** Reads the held-out text, once for all points. Throws ERR_DATA. */
  static async open(
    config: LandscapeConfig,
    original: ModelAtHand,
    means: Means,
    row: MeasuredRow,
    probes: PointProbes | undefined,
    options: { signal: AbortSignal; onWarning: (message: string) => void },
  ): Promise<PointMeasure> {
    const reader = await openReader(original.folder, original.spec, config, options.signal)
    const heldOut = await HeldOut.open(config, reader, options)
    return new PointMeasure(heldOut, config, means, original.folder.path, row, probes)
  }

  /** Of a model folder. Counts first, as what cannot be counted need not be timed. */
  async of(folder: string, { signal, onWarning: warn, onProgress }: MeasureOptions): Promise<PointFigures> {
    const { macs: row } = this.row
    const counted = 'tokens' in row ? { tokens: row.tokens } : { seconds: row.seconds }
    const { parameters, bytes, macs } = await inspect(folder, { macs: true, ...counted, signal })
    const model = await ModelAtHand.open(folder, this.means)
    try {
      const handle = await model.loaded({ signal, warn })
      const quality = await this.heldOut.measure(handle, { signal, onProgress })
      const probes = this.probes && (await this.probes.of(model, { signal, onWarning: warn, onProgress }))
      const speed = await this.#time(handle, model.folder.path, { signal, onWarning: warn, onProgress })
      const numbers = Number.isFinite(quality.loss) ? quality : { loss: null, perplexity: null }
      return {
        ...numbers,
        parameters: { total: parameters.total, nonzero: parameters.nonzero! },
        bytes,
        macs: macsIn(macs!),
        speed,
        loads_in: stockObstacle(model.spec) === undefined ? 'transformers' : 'tongueforge',
        ...(probes !== undefined && { probes }),
      }
    } finally {
      model.release()
    }
  }

  /** Of a model that all else is known of, where there are probes. */
  async probesOf(folder: string, options: MeasureOptions): Promise<ProbeFigures[] | null> {
    const model = await ModelAtHand.open(folder, this.means)
    try {
      return await this.probes!.of(model, options)
    } finally {
      model.release()
    }
  }

  async #time(handle: Handle, folder: string, options: MeasureOptions): Promise<PointSpeed> {
    const { original, means, config, row } = this
    if (folder === original) return speedOf({ model: handle }, config.measure, row, options)
    const beside = await ModelAtHand.open(original, means)
    try {
      const timed = { model: handle, original: await beside.loaded({ ...options, warn: () => {} }) }
      return await speedOf(timed, config.measure, row, options)
    } finally {
      beside.release()
    }
  }

  close(): Promise<void> {
    return this.heldOut.close()
  }
}

const macsIn = ({ tokens, seconds, core, superb, effective }: MacCounts): PointFigures['macs'] => ({
  ...{ tokens, core, superb, effective },
  ...(seconds !== undefined && { seconds }),
})
