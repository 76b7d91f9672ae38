/** The config of a pipeline, read and checked: what one stage leaves unsaid of training comes from `recovery`. */
import { type CompressConfig, compressSchema, STAGE_SCHEMAS, type StageMethod } from '../../config/compress'
import type { DataSource } from '../../config/data'
import { checkConfig, configError, readGiven } from '../../config/parse'
import type { TrainConfig } from '../../config/train'
import { resolveSource } from '../../text/documents'
import { inputsOf as inputsOfTraining } from '../training/run_folder'
import { listSounds } from '../training/sound_data'
import type { Stage, TrainingStage } from './stage'
import { STAGES, trains } from './stages'

type Table = Record<string, unknown>

export interface ReadConfig {
  config: CompressConfig
  /** What errors call it. */
  file: string
}

/** A YAML file or an object, then overrides. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_USAGE. */
export async function readCompressConfig(
  source: string | object,
  overrides: readonly string[],
): Promise<ReadConfig> {
  const { file, raw } = await readGiven(source, overrides)
  const { recovery: _, ...config } = checkConfig(compressSchema, withCommonKeys(raw), file)
  checkStages(config, file)
  return { config, file }
}

function checkStages({ stages, calibration, out, model }: CompressConfig, file: string): void {
  for (const [i, given] of stages.entries()) {
    const stage: Stage | TrainingStage = STAGES[given.method]
    if (trains(stage)) continue
    const { steps = 1 } = given as { steps?: number }
    if (steps > 1 && stage.divide === undefined)
      throw configError(file, `stages.${i}.steps: expected 1, received ${steps}`, {
        hint: 'This way to choose what goes has no steps in between.',
        key: `stages.${i}.steps`,
      })
    if (stage.calibrates(given) && calibration === undefined) {
      throw configError(
        file,
        `calibration: expected { data }, as stages.${i} looks at text, received nothing`,
        {
          hint: 'calibration: { data: [{ path: texts.txt }] } names text that is like what the model is for.',
          key: 'calibration',
        },
      )
    }
  }
  if (out === model)
    throw configError(file, `out: expected another folder than model, received ${out}`, { key: 'out' })
}

/** All text that is read. */
export function sourcesOf({ stages, calibration, evaluate }: CompressConfig): DataSource[] {
  const trainings = stages.flatMap((stage) => ('recover' in stage ? [stage.recover] : [stage]) as Trained[])
  const read = [calibration, evaluate, ...trainings, ...trainings.map((training) => training?.eval)]
  return read.flatMap((part) => part?.data ?? [])
}

/** Files and folders that a pipeline reads, those of its trainings included. */
export const inputsOf = (
  config: CompressConfig,
  trainings: readonly TrainConfig[],
): (string | undefined)[] => [
  config.model,
  ...sourcesOf(config).map(({ path }) => path),
  ...trainings.flatMap(inputsOfTraining),
]

/** Missing files are met before the work, not after hours of it. Throws ERR_NOT_FOUND, ERR_AUDIO. */
export async function checkSources(
  sources: readonly DataSource[],
  { sound }: Pick<CompressConfig, 'sound'>,
): Promise<void> {
  if (sound) await listSounds(sources)
  else for (const source of sources) await resolveSource(source)
}

type Trained = { data?: DataSource[]; eval?: { data: DataSource[] } } | undefined

/** As given, but each stage has the keys too that hold for all of its kind: those of `recovery`, and `uniform`. */
function withCommonKeys(raw: unknown): unknown {
  if (!isTable(raw) || !Array.isArray(raw.stages) || !isTable(raw.recovery ?? {})) return raw
  const { seed, sound } = raw
  const shared = { ...(seed !== undefined && { seed }), ...(sound !== undefined && { sound }) }
  const defaults = merged(shared, raw.recovery)
  const completed = (stage: unknown) => {
    if (!isTable(stage) || !isMethod(stage.method)) return stage
    if (trains(STAGES[stage.method])) return merged(keysOf(defaults, stage.method), stage)
    // Whether heads that are named leave layers alike is seen in the plan.
    const chooses = raw.uniform === true && stage.heads === undefined
    const even = chooses ? keysOf({ uniform: true }, stage.method) : {}
    const training = isTable(stage.recover) && { recover: merged(defaults, stage.recover) }
    return { ...even, ...stage, ...training }
  }
  return { ...raw, stages: raw.stages.map(completed) }
}

const isMethod = (method: unknown): method is StageMethod =>
  typeof method === 'string' && Object.hasOwn(STAGES, method)

/** Those that a method has. */
function keysOf(keys: Table, method: StageMethod): Table {
  const { shape } = STAGE_SCHEMAS.find((schema) => schema.shape.method.value === method)!
  return Object.fromEntries(Object.entries(keys).filter(([key]) => Object.hasOwn(shape, key)))
}

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Tables key by key; whatever else the second one has takes the place of what the first has. */
function merged(under: unknown, over: unknown): Table {
  const result = { ...(under as Table) }
  for (const [key, value] of Object.entries((over ?? {}) as Table))
    result[key] = isTable(value) && isTable(result[key]) ? merged(result[key], value) : value
  return result
}
