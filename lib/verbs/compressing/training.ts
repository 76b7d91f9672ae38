/** A stage that is a training: its config for the verb `train`. */
import { join } from 'node:path'
import type { CompressConfig } from '../../config/compress'
import type { PlannedStage } from './plan'
import type { TrainingStage } from './stage'

export interface TrainingPlaces {
  /** Folder of the model that is trained. */
  model: string
  /** Folder of the one that all stages began with. */
  original: string
}

/** What `train` is told. */
export function trainingOf(
  { stage, config: stageConfig, name, before }: PlannedStage,
  { out, device, dtype, threads, data_cache }: CompressConfig,
  { model, original }: TrainingPlaces,
): object {
  return {
    ...(stage as TrainingStage).training(stageConfig, { original, shape: before }),
    ...{ model, out: join(out, 'stages', name), device, dtype, threads },
    ...(data_cache !== undefined && { data_cache }),
  }
}
