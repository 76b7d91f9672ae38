/** Rows that techniques look at, and held-out ones that a model is measured on; the same in every run of a config. */
import type { CompressConfig } from '../../config/compress'
import type { Handle, PackedBatch } from '../../native'
import { nativeRows, type PackedBatch as Packed, packedBatch } from '../../text/packing'
import type { TrainingData } from '../training/data'
import { evaluateHeldOut } from '../training/held_out'
import { measuredModel } from '../training/measured_model'
import type { ModelReader } from '../training/model_reader'
import type { PreparationProgress } from '../training/starting_model'

export interface RowsOptions {
  signal: AbortSignal
  onWarning: (message: string) => void
}

/** The first rows of the shuffled texts: all there are, with a warning, where there are fewer. Throws ERR_DATA. */
export async function calibrationRows(
  config: CompressConfig,
  reader: ModelReader,
  { signal, onWarning }: RowsOptions,
): Promise<PackedBatch[]> {
  const { data: sources, samples, sequence_length, batch_size, seed = config.seed } = config.calibration!
  const shape = { sequence_length, batch_size, seed }
  const data = await reader.load(sources, shape, { signal, onWarning, shuffle: true })
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

function firstRows(batch: Packed, rows: number): PackedBatch {
  const all = nativeRows(batch)
  const cut = (values: Int32Array) => values.slice(0, rows * batch.row_length)
  return {
    ...{ ids: cut(all.ids), labels: cut(all.labels), segments: cut(all.segments), rows },
    ...(all.sounds && {
      sounds: all.sounds.slice(0, rows),
      frame_width: all.frame_width,
      hidden: cut(all.hidden!),
    }),
  }
}

/** Where held-out texts come from, and how they are read. */
export type HeldOutConfig = Pick<CompressConfig, 'evaluate' | 'seed' | 'data_cache' | 'threads'>

/** Held-out texts, opened once for all stages. */
export class HeldOut {
  private constructor(
    private readonly data: TrainingData,
    private readonly config: HeldOutConfig,
    private readonly loss: ModelReader['loss'],
  ) {}

  static async open(config: HeldOutConfig, reader: ModelReader, options: RowsOptions): Promise<HeldOut> {
    const { data: sources, sequence_length, batch_size } = config.evaluate!
    const shape = { sequence_length, batch_size, seed: config.seed }
    const data = await reader.load(sources, shape, { ...options, shuffle: false, apart: true })
    return new HeldOut(data, config, reader.loss)
  }

  async measure(
    model: Handle,
    options: { signal: AbortSignal; onProgress?: ((progress: PreparationProgress) => void) | undefined },
  ): Promise<{ loss: number; perplexity: number }> {
    const { evaluate, threads } = this.config
    const measured = measuredModel(model, { batch_size: evaluate!.batch_size, threads, loss: this.loss })
    const { loss } = await evaluateHeldOut(measured, this.data, options)
    return { loss, perplexity: Math.exp(loss) }
  }

  close(): Promise<void> {
    return this.data.close()
  }
}
