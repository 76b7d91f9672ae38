/** What a stage is: a verb called with a config, on models of the user or of earlier stages. */
import type { JsonObject } from '../../checkpoint/json_file'
import type { AdaptConfig, Keys } from '../../config/adapt'
import type { TrainStep } from '../train'

export type ModelRef = { stage: string } | { folder: string }

export type StageVerb = 'train' | 'evaluate' | 'graft' | 'sweep' | 'vocabulary' | 'compress'

export interface PlannedStage {
  /** Of its folder under stages/: `base-cp`, `inscp-evaluate`. */
  name: string
  verb: StageVerb
  /** Whose it is, for errors: `arms.1, cp_vector`. */
  place: string
  /** Models that it reads, by the key that names them in its config. */
  models: Readonly<Record<string, ModelRef>>
  /** All other keys, but `out`. */
  keys: Keys
}

export interface StageWork {
  signal: AbortSignal
  onWarning: (message: string) => void
  onProgress: (progress: { label: string; done: number; total?: number | undefined }) => void
  onStep: (step: TrainStep) => void
  /** Called where a stage that is stopped has left something to go on with. */
  onKept: () => void
}

export interface StageResult {
  /** Some figures of what was done, for the record. */
  figures: JsonObject
  seconds: number
}

/** Where the data of a stage come from, and who stops the reading. */
export interface Reading {
  cache: string
  signal: AbortSignal
}

/** What a stage needs, from sizes alone. */
export interface StageNeeds {
  /** Of the process at its most, and what to do where that is too much. */
  memory_bytes: number
  advice: string
  /** Of the model that it leaves. */
  model_bytes: number
  /** Beside it, until the stage is done: checkpoints. */
  working_bytes: number
}

/** What texts have to be read for. */
export interface StageWorkload {
  /** That go through a model. */
  tokens?: number
  seconds?: number
}

/** One verb as stages call it: a file in stages/, a row in stages.ts. */
export interface StageKind<Config extends object = object> {
  /** Whether it leaves a model; else figures. */
  makesModel: boolean
  /** As the verb reads its config. Throws ERR_CONFIG. */
  read(config: object): Promise<Config>
  /** Of its keys, those that decide what comes out; models and texts are told apart. */
  decisive(config: Config): object
  /** What the texts and tasks hold that it reads. Throws ERR_NOT_FOUND, ERR_DATA. */
  content(config: Config, reading: Reading): Promise<unknown>
  /** Opens models, reads no texts. Throws what stands against the stage: ERR_VOCABULARY, ERR_TEMPLATE, ERR_SHAPE_MISMATCH... */
  needs(config: Config, signal: AbortSignal): Promise<StageNeeds>
  /** What is to be done, by a dry run of the verb. Undefined where that would be the work itself. */
  workload?(config: Config, signal: AbortSignal): Promise<StageWorkload>
  /** Does the work in `config.out`, or goes on with what an earlier session left there. */
  run(config: Config, work: StageWork): Promise<StageResult>
}

/** What the verb of a stage is told, where models and `out` are at these places. */
export function configOf(
  { verb, models, keys }: Pick<PlannedStage, 'verb' | 'models' | 'keys'>,
  out: string,
  pathOf: (model: ModelRef) => string,
): object {
  const paths = Object.entries(models).map(([role, model]) => [role, pathOf(model)] as const)
  if (verb === 'evaluate') return { ...keys, models: paths.map(([name, path]) => ({ name, path })), out }
  return { ...keys, ...Object.fromEntries(paths), out }
}

/** Keys that all stages have in common, where a verb knows them. */
export const common = ({ data_cache, threads }: AdaptConfig): Keys => ({
  ...(data_cache !== undefined && { data_cache }),
  threads,
})
