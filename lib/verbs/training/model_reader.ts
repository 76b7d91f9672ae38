/** Rows of data as a model reads them, for verbs that only measure it: calibration, held-out losses. */
import type { ModelFolder } from '../../checkpoint/model_folder'
import type { ModelSpec } from '../../checkpoint/model_spec'
import type { DataSource } from '../../config/data'
import type { TrainConfig } from '../../config/train'
import { loadModelText } from '../../text/model_text'
import type { LoadOptions, TrainingData } from './data'
import { openRows } from './measured_model'
import { ownLoss } from './own_loss'
import { openEars } from './reading'
import { loadSounds } from './sound_data'

export interface RowShape {
  sequence_length: number
  batch_size: number
  seed: number
}

export type ReaderConfig = Pick<TrainConfig, 'data_cache' | 'sound' | 'seed'>

/** Throws what reading throws: ERR_DATA, ERR_TEMPLATE, ERR_AUDIO. */
export interface ModelReader {
  /** What native calls the model's own loss. */
  loss: 'language' | 'masked'
  load(sources: readonly DataSource[], shape: RowShape, options: LoadOptions): Promise<TrainingData>
}

/** Throws ERR_TOKENIZER, ERR_MODEL_CONFIG, ERR_CONFIG for more clusters than a speech encoder foretells. */
export async function openReader(
  folder: ModelFolder,
  spec: ModelSpec,
  config: ReaderConfig,
  signal: AbortSignal,
): Promise<ModelReader> {
  const { objective, loss } = ownLoss(spec.kind)
  if (spec.kind === 'speech') {
    const inputs = await openEars(spec, folder, config, signal)
    const { sound } = config
    return {
      loss,
      load: (sources, shape, options) => loadSounds(sources, { ...shape, sound }, inputs, options),
    }
  }
  const text = await loadModelText(folder)
  const how = { objective, data_cache: config.data_cache }
  return { loss, load: (sources, shape, options) => openRows(sources, { ...shape, ...how }, text, options) }
}
