/** The stages one by one, each with the sizes that it finds and leaves; what a config asks for that cannot be. */
import { openModelFolder } from '../../checkpoint/model_folder'
import type { ModelSpec } from '../../checkpoint/model_spec'
import type { CompressConfig, StageConfig } from '../../config/compress'
import { configError } from '../../config/parse'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import { readTrainConfig } from '../training/config'
import { checkKind } from '../training/model_kind'
import { lossObstacle } from '../training/own_loss'
import { stockObstacle } from './shapes'
import { impossible, type Shape, type Stage, type TrainingStage } from './stage'
import { STAGES, trains } from './stages'
import { trainingOf } from './training'

export interface PlannedStage {
  /** From 1, over all stages and their steps. */
  number: number
  /** Of its folder: `01-heads`. */
  name: string
  /** Its place in the config: `stages.0`, `stages.0.recover`. */
  key: string
  /** Where a stage is reached in several steps: which this is, from 1. */
  step?: { number: number; of: number } | undefined
  config: StageConfig
  stage: Stage | TrainingStage
  /** What it finds, and what it leaves as far as that can be foretold. */
  before: Shape
  after: Shape
}

/**
 * `shapeAfter` is asked for what the stage of a number leaves, before the next one is given: what is foretold of it, or
 * was found. Throws ERR_CONFIG that names the key: `stages.2.keep`.
 */
export function* stagesOf(
  config: CompressConfig,
  file: string,
  shapeAfter: (number: number) => Shape,
): Generator<PlannedStage> {
  let number = 0
  for (const [i, given] of config.stages.entries()) {
    const key = `stages.${i}`
    const parts = within(file, key, () => partsOf(given, key, shapeAfter(number)))
    for (const { step, config: part, place = key } of parts) {
      const stage: Stage | TrainingStage = STAGES[part.method]
      const before = shapeAfter(number)
      const after = within(file, place, () => foretold(stage, before, part, config.uniform))
      number++
      const name = `${String(number).padStart(2, '0')}-${part.method}`
      yield { number, name, key: place, ...(step && { step }), config: part, stage, before, after }
    }
  }
}

/** All of them, as they are foretold from a shape. */
export function planStages(config: CompressConfig, file: string, start: Shape): PlannedStage[] {
  const planned: PlannedStage[] = []
  const shapeAfter = (number: number) => (number === 0 ? start : planned[number - 1]!.after)
  for (const stage of stagesOf(config, file, shapeAfter)) planned.push(stage)
  return planned
}

/** Whether a stage looks at calibration rows. */
export const calibrates = ({ stage, config }: PlannedStage): boolean =>
  !trains(stage) && stage.calibrates(config)

/** Whether anything of a run needs to be told what is right: a training, a criterion, a held-out loss. */
export const asksLoss = ({ evaluate }: CompressConfig, stages: readonly PlannedStage[]): boolean =>
  evaluate !== undefined ||
  stages.some(({ stage, config }) => trains(stage) || stage.asksLoss?.(config) === true)

interface Part extends Pick<PlannedStage, 'step' | 'config'> {
  place?: string
}

/** A stage as it is, or its steps with a training after each. */
function partsOf(given: StageConfig, key: string, shape: Shape): Part[] {
  const stage: Stage | TrainingStage = STAGES[given.method]
  if (trains(stage)) return [{ config: given }]
  const { recover, steps = 1, ...own } = given as StageConfig & { recover?: object; steps?: number }
  const single = { ...own, steps: 1 } as StageConfig
  const configs = steps > 1 ? (stage.divide!(shape, single, steps) as StageConfig[]) : [single]
  return configs.flatMap((config, i) => {
    const step = steps > 1 ? { number: i + 1, of: steps } : undefined
    const training = { method: 'recover', ...recover } as StageConfig
    return [{ step, config }, ...(recover ? [{ step, config: training, place: `${key}.recover` }] : [])]
  })
}

function foretold(stage: Stage | TrainingStage, before: Shape, config: StageConfig, uniform: boolean): Shape {
  if (before.quantized)
    throw impossible(
      'method',
      `expected nothing after quantize, received ${config.method}`,
      'Whole numbers are made of the weights as they are at the end: make quantize the last stage.',
    )
  checkLoss(stage, before, config)
  const after = stage.predict(before, config)
  const obstacle = after.open?.length ? 'layers that may differ' : stockObstacle(after.spec)
  if (!uniform || obstacle === undefined) return after
  throw impossible(
    'method',
    `expected a model that transformers loads, as uniform: true asks, received ${config.method} that leaves ${obstacle}`,
    after.spec.layers.some(({ ranks }) => Object.keys(ranks).length > 0)
      ? 'Set dense: true in lowrank, which multiplies the factors; or leave uniform out.'
      : 'Choose by layer, so that each loses as much, and another number of heads; or leave uniform out.',
  )
}

// Met here, not when hours later the stage looks at its rows.
function checkLoss(stage: Stage | TrainingStage, { spec }: Shape, config: StageConfig): void {
  const obstacle = lossObstacle(spec)
  if (obstacle === undefined || trains(stage) || !stage.asksLoss?.(config)) return
  const { criterion } = config as { criterion: string }
  throw impossible(
    'criterion',
    `expected one that asks for no loss with ${obstacle}, received ${criterion}`,
    `l1 looks at weights alone; ${criterion} is for models that foretell what is hidden from them.`,
  )
}

/** Held-out text tells nothing of a model that foretells nothing. Throws ERR_CONFIG. */
export function checkMeasurable(
  { evaluate }: { evaluate?: object | undefined },
  spec: ModelSpec,
  file: string,
): void {
  const obstacle = evaluate && lossObstacle(spec)
  if (obstacle === undefined) return
  throw configError(file, `evaluate: expected a model that has a loss, received ${obstacle}`, {
    hint: 'Take a model with a head that foretells what is hidden from it; compress can do without evaluate.',
    key: 'evaluate',
  })
}

/** Puts the place of a stage before the key that it complains of. */
function within<Result>(file: string, place: string, work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    throw placed(error, file, place)
  }
}

function placed(error: unknown, file: string, place: string): unknown {
  if (!(error instanceof TongueforgeError) || error.code !== 'ERR_CONFIG') return error
  const { key: own } = error.details
  const key = `${place}.${own}`
  const problem = error.message.replace(/^config: /, '').replace(`${own}: `, '') // some name the key themselves
  return configError(file, `${key}: ${problem}`, { hint: error.hint, key })
}

/**
 * Has the verb `train` check what it will be told, and resolves with that, a config a training. Throws ERR_CONFIG that names
 * the key, ERR_NOT_FOUND for models that trainings read.
 */
export async function checkTrainings(
  planned: readonly PlannedStage[],
  config: CompressConfig,
  file: string,
): Promise<TrainConfig[]> {
  const { model } = config
  const all: TrainConfig[] = []
  for (const stage of planned.filter((one) => trains(one.stage))) {
    try {
      const training = await readTrainConfig(trainingOf(stage, config, { model, original: model }), [])
      checkKind(training, stage.before.spec)
      if (training.lora?.merge === false)
        throw impossible(
          'lora.merge',
          'expected true, received false',
          'The next stage needs the model, not its adapter.',
        )
      for (const read of [training.teacher, training.dpo.reference]) if (read) await openModelFolder(read)
      all.push(training)
    } catch (error) {
      throw placed(error, file, stage.key)
    }
  }
  return all
}
