/** A stage that is a training, by the verb `train`. */
import { join } from 'node:path'
import type { JsonObject } from '../../checkpoint/json_file'
import type { CompressConfig } from '../../config/compress'
import { type TrainOptions, type TrainReport, type TrainStep, train } from '../train'
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

export interface TrainingWork {
  signal: AbortSignal
  onWarning: (message: string) => void
  onProgress: TrainOptions['onProgress']
  onStep: (step: TrainStep) => void
  /** Called where a run that is stopped has left a checkpoint. */
  onKept: () => void
}

export interface TrainingResult {
  /** Of the trained model. */
  folder: string
  figures: JsonObject
  seconds: number
}

/** Trains, or goes on with what was begun. */
export async function runTraining(
  config: object,
  { signal, onWarning, onProgress, onStep, onKept }: TrainingWork,
): Promise<TrainingResult> {
  const run = train(config, { resume: true, signal, onWarning, onProgress, environment: {} })
  try {
    for await (const step of run) onStep(step)
    const { model: folder, report } = await run.result
    return { folder, figures: figuresOf(report), seconds: report.seconds }
  } catch (error) {
    if (run.latest.checkpoint) onKept()
    throw error
  }
}

const figuresOf = ({ objective, steps, result_step, loss, eval_loss, tokens }: TrainReport): JsonObject => ({
  ...{ objective, steps, result_step, loss, tokens },
  ...(eval_loss !== undefined && { eval_loss }),
})
