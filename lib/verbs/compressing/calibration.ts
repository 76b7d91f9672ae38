/** Rows of text that techniques look at, and held-out ones that a model is measured on; the same in every run of a config. */
import type { CompressConfig } from '../../config/compress'
import type { Handle, PackedBatch } from '../../native'
import type { ModelText } from '../../text/model_text'
import { packedBatch } from '../../text/packing'
import type { TrainingData } from '../training/data'
import { evaluateHeldOut } from '../training/held_out'
import { measuredModel, openRows } from '../training/measured_model'
import { type ModelKind, ownLoss } from '../training/own_loss'
import type { PreparationProgress } from '../training/starting_model'

export interface TextOptions {
  /** Of the model: tokens of an encoder's text are hidden. */
  kind: ModelKind
  signal: AbortSignal
  onWarning: (message: string) => void
}

/** The first rows of the shuffled texts: all there are, with a warning, where there are fewer. Throws ERR_DATA. */
export async function calibrationRows(
  config: CompressConfig,
  text: ModelText,
  { kind, signal, onWarning }: TextOptions,
): Promise<PackedBatch[]> {
  const { data: sources, samples, sequence_length, batch_size, seed = config.seed } = config.calibration!
  const how = { objective: ownLoss(kind).objective, sequence_length, seed, data_cache: config.data_cache }
  const data = await openRows(sources, how, text, { signal, onWarning, shuffle: true })
  try {
    const there = data.rows.rowsPerEpoch
    if (there < samples)
      onWarning(`calibration.samples: ${samples} rows are asked for, and the texts make ${there}`)
    const count = Math.min(samples, there)
    const batches: PackedBatch[] = []
    for (let first = 0; first < count; first += batch_size) {
      const all = await packedBatch(data.rows, batch_size, first / batch_size)
      batches.push(firstRows(all, Math.min(batch_size, count - first)))
    }
    return batches
  } finally {
    await data.close()
  }
}

function firstRows(
  { ids, labels, segments, row_length }: PackedBatch & { row_length: number },
  rows: number,
) {
  const [i, l, s] = [ids, labels, segments].map((array) => array.slice(0, rows * row_length))
  return { ids: i!, labels: l!, segments: s!, rows }
}

/** Where held-out texts come from, and how they are read. */
export type HeldOutConfig = Pick<CompressConfig, 'evaluate' | 'seed' | 'data_cache' | 'threads'>

/** Held-out texts, opened once for all stages. */
export class HeldOut {
  private constructor(
    private readonly data: TrainingData,
    private readonly config: HeldOutConfig,
    private readonly kind: ModelKind,
  ) {}

  static async open(config: HeldOutConfig, text: ModelText, options: TextOptions): Promise<HeldOut> {
    const { data: sources, sequence_length } = config.evaluate!
    const how = {
      objective: ownLoss(options.kind).objective,
      sequence_length,
      seed: config.seed,
      data_cache: config.data_cache,
    }
    const data = await openRows(sources, how, text, { ...options, shuffle: false, apart: true })
    return new HeldOut(data, config, options.kind)
  }

  async measure(
    model: Handle,
    options: { signal: AbortSignal; onProgress?: ((progress: PreparationProgress) => void) | undefined },
  ): Promise<{ loss: number; perplexity: number }> {
    const { evaluate, threads } = this.config
    const { loss: kind } = ownLoss(this.kind)
    const measured = measuredModel(model, { batch_size: evaluate!.batch_size, threads, loss: kind })
    const { loss } = await evaluateHeldOut(measured, this.data, options)
    return { loss, perplexity: Math.exp(loss) }
  }

  close(): Promise<void> {
    return this.data.close()
  }
}
