/** Everything that is known before the first step: config, model, tokens, rows. */
import { PREPROCESSOR_FILE } from '../../audio/front_end_config'
import { openAdapter } from '../../checkpoint/adapter_folder'
import { dtypeKey } from '../../checkpoint/dtype_key'
import { type ModelFolder, openModelFolder, openTokenizerFolder } from '../../checkpoint/model_folder'
import { type ModelSpec, modelSpec } from '../../checkpoint/model_spec'
import { isSpeechConfig } from '../../checkpoint/speech_config'
import { checkConfig, readGiven } from '../../config/parse'
import { type TrainConfig, trainSchema } from '../../config/train'
import { countParameters } from '../../counting/parameters'
import { TongueforgeError } from '../../errors'
import type { ModelText } from '../../text/model_text'
import { objectives } from '../../text/objectives'
import type { Tokens } from '../../text/tokens'
import { checkAnomalyKeys } from './anomalies'
import type { LoadOptions, TrainingData } from './data'
import type { DataStatistics } from './data_statistics'
import type { Identity, RunInputs } from './identity'
import { activationBytes, checkpointBytes, memoryBytes, peakBytes } from './memory'
import { checkKind, withTrainedHead } from './model_kind'
import { Perplexity, type PerplexityOptions } from './perplexity'
import {
  checkPool,
  checkPruning,
  type PruneSchedule,
  type PruningSummary,
  pruneSchedule,
  summarisePruning,
} from './prune_schedule'
import { openReading } from './reading'
import { planSamples, type SamplesPlan } from './samples'
import { checkSchedule } from './schedule'
import { checkSelection } from './selection'
import { startingPoint } from './starting_model'
import { planStudent, type StudentPlan } from './student'
import {
  checkSameTokens,
  checkTeachingKeys,
  planTeaching,
  summariseTeaching,
  type Teaching,
  type TeachingSummary,
} from './teaching'
import { planTrained, type Trained } from './trained'

export interface TrainPlan extends RunInputs {
  config: TrainConfig
  spec: ModelSpec
  /** The result's config.json. */
  modelConfig: Record<string, unknown>
  trained: Trained
  /** Of a model that reads text. */
  text?: ModelText | undefined
  data: TrainingData
  held_out: TrainingData | undefined
  samples: SamplesPlan | undefined
  pruning: PruneSchedule | undefined
  /** Where a teacher is learnt from. */
  teaching?: Teaching | undefined
  /** Where weights start from the teacher. */
  student?: StudentPlan | undefined
  /** Of an inscp run whose data were measured by the model that it starts from. */
  perplexity: Perplexity | undefined
}

/** What a dry run tells. */
export interface PlanSummary {
  /** As in the config. */
  objective: string
  /** Of the model. */
  parameters: number
  /** Of those, or of adapters, that training changes. */
  trained_parameters: number
  /** Weights; gradients and moments of what is trained. */
  memory_bytes: number
  /** What a micro-step keeps for the gradient, and needs for a moment on top. */
  activation_bytes: number
  /** The process at its most, as far as it can be foretold. */
  peak_memory_bytes: number
  /** Of one checkpoint on the disk. */
  checkpoint_bytes: number
  /** Places of an update, padding among them: rows by `sequence_length`. */
  tokens_per_step: number
  /** Of all updates. */
  tokens: number
  /** How often the data is seen; need not be whole. */
  epochs: number
  /** What is trained on. */
  data: DataStatistics
  /** What losses are measured on. */
  held_out?: DataStatistics
  /** Of a run that prunes. */
  pruning?: PruningSummary
  /** Of `distil`. */
  teaching?: TeachingSummary
  /** Of a narrower student of `distil`: blocks of the teacher that it has, and its width. */
  student?: { layers: number[]; hidden_size: number }
}

/** Reads and checks a config: a YAML file or an object, then overrides. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_USAGE. */
export async function readTrainConfig(
  source: string | object,
  overrides: readonly string[],
): Promise<TrainConfig> {
  const { file, raw } = await readGiven(source, overrides)
  const config = checkConfig(trainSchema, raw, file)
  checkStart(config, file)
  const hears = config.init !== undefined && isSpeechConfig(config.init)
  if (config.init !== undefined && !hears && config.tokenizer === undefined && config.teacher === undefined) {
    throw new TongueforgeError('ERR_CONFIG', `${file}: expected tokenizer beside init, received none`, {
      hint: 'tokenizer: FOLDER names the folder with tokenizer.json.',
      details: { file, key: 'tokenizer' },
    })
  }
  checkSelection(config, file)
  checkAdapterKeys(config, file)
  checkInscpKeys(config, file)
  checkAnomalyKeys(config, file)
  checkSchedule(config, file)
  checkLossKeys(config, file)
  checkPruning(config, file)
  checkTeachingKeys(config, file)
  return config
}

function checkStart(config: TrainConfig, file: string): void {
  const given = (['model', 'init', 'student'] as const).filter((key) => config[key] !== undefined)
  if (given.length === 1) return
  const starts = config.objective === 'distil' ? 'one of model, init and student' : 'either model or init'
  throw new TongueforgeError(
    'ERR_CONFIG',
    `${file}: expected ${starts}, received ${given.join(' and ') || 'none'}`,
    {
      hint:
        'model: FOLDER starts from a model, init: { ...keys of config.json } from random weights' +
        (config.objective === 'distil' ? ', student: { first: 6 } from a part of the teacher.' : '.'),
      details: { file, key: 'model' },
    },
  )
}

const problemIn = (file: string) => (key: string, message: string, hint: string) =>
  new TongueforgeError('ERR_CONFIG', `${file}: ${key}: ${message}`, { hint, details: { file, key } })

function checkInscpKeys({ init, inscp }: TrainConfig, file: string): void {
  if (inscp.max_perplexity === undefined) return
  if (init !== undefined) {
    throw problemIn(file)(
      'inscp.max_perplexity',
      'expected model beside it, received init',
      'Random weights know no text. Measure by a model that has learned: model: FOLDER.',
    )
  }
  if (inscp.perplexity_sample !== undefined) {
    throw problemIn(file)(
      'inscp.perplexity_sample',
      'expected nothing beside max_perplexity',
      'A filter measures every document. Leave perplexity_sample out.',
    )
  }
}

// A preference loss is over whole answers, and has a reference to hold the model; a teacher holds it too.
function checkLossKeys({ objective, z_loss }: TrainConfig, file: string): void {
  if (z_loss === 0 || (objective !== 'distil' && objectives[objective].loss !== 'preference')) return
  throw problemIn(file)(
    'z_loss',
    `expected 0 with objective ${objective}, received ${z_loss}`,
    'z_loss belongs to the losses over tokens: cp, inscp, sft and masked.',
  )
}

function checkAdapterKeys(config: TrainConfig, file: string): void {
  if (config.lora && !config.model) {
    throw problemIn(file)(
      'lora',
      `expected model beside it, received ${config.init ? 'init' : 'student'}`,
      'Adapters go on a model that has learned.',
    )
  }
  if (config.adapter !== undefined && !config.lora) {
    throw problemIn(file)(
      'adapter',
      'expected lora beside it, received none',
      'lora: {} goes on training the adapter. To train the model with it merged in, first: ' +
        `tongueforge adapter merge --model ${config.model} --adapter ${config.adapter} --out MERGED`,
    )
  }
}

/** Opens the folders that a config names; what is in them is read later. Throws ERR_NOT_FOUND. */
export async function openInputs(config: TrainConfig): Promise<RunInputs> {
  const model = config.model === undefined ? undefined : await openModelFolder(config.model)
  const teacher = config.teacher === undefined ? undefined : await openModelFolder(config.teacher)
  const files = model && config.tokenizer === undefined ? model : await openSmallFiles(config, teacher)
  const adapter = config.adapter === undefined ? undefined : await openAdapter(config.adapter)
  const { reference: path } = config.dpo
  const reference = path === undefined ? undefined : await openModelFolder(path)
  return { model, files, adapter, reference, teacher }
}

// A speech encoder from random weights hears as its targets were made.
async function openSmallFiles(
  { tokenizer, sound }: TrainConfig,
  teacher: ModelFolder | undefined,
): Promise<ModelFolder> {
  if (tokenizer !== undefined) return openTokenizerFolder(tokenizer)
  if (teacher) return teacher
  return { ...(await openTokenizerFolder(sound!.targets!)), auxiliaryFiles: [PREPROCESSOR_FILE] }
}

export interface PlanOptions extends Pick<LoadOptions, 'signal' | 'onWarning'>, PerplexityOptions {
  /** Of the starting model, which then measures the documents of inscp; else nothing is measured or filtered. */
  identity?: Identity | undefined
  /** The time that a chat template writes; else the one at which it is read. */
  now?: Date | undefined
}

/** Reads the data and lays everything out. Throws ERR_DATA, ERR_MODEL_CONFIG, ERR_VOCABULARY. */
export async function planTraining(
  config: TrainConfig,
  inputs: RunInputs,
  options: PlanOptions,
): Promise<TrainPlan> {
  const { model, files, adapter, teacher } = inputs
  const student = config.student && planStudent(config.student, teacher!)
  const modelConfig = await resultConfig(config, model?.config ?? student?.config, files)
  const spec = modelSpec(modelConfig, model?.configFile ?? (student ? 'student' : 'init'))
  checkKind(config, spec)
  const teaching = planTeaching(config, teacher, spec)
  const beside = teaching?.projections ?? []
  const trained = await planTrained(config, spec, { base: model?.path, adapter, beside })
  checkPool(config, trained)
  const { signal, onWarning, now } = options
  const reading = await openReading(config, spec, files, { signal, now })
  const { text } = reading
  if (teaching && text) await checkSameTokens(teaching, text)
  const samples = text && config.eval?.samples && (await planSamples(config.eval.samples, text, spec))
  const perplexity = measuring({ config, text, model, trained }, options)
  const sift = perplexity && ((sources: readonly Tokens[]) => perplexity.sift(sources))
  const { replay } = config
  const data = await reading.load(config.data, { signal, onWarning, shuffle: true, sift, replay })
  try {
    const held_out =
      config.eval &&
      (await reading.load(config.eval.data, { signal, onWarning, shuffle: false, apart: true }))
    const pruning = pruneSchedule(config)
    const start = { teaching, student, samples, pruning, perplexity }
    return { ...inputs, config, spec, modelConfig, trained, text, data, held_out, ...start }
  } catch (error) {
    await data.close()
    throw error
  }
}

function measuring(
  plan: Pick<TrainPlan, 'config' | 'text' | 'model' | 'trained'>,
  { identity, ...options }: PlanOptions,
): Perplexity | undefined {
  const { config, text } = plan
  if (config.objective !== 'inscp' || text === undefined || identity === undefined) return undefined
  const start = startingPoint(plan, identity)
  if (start !== undefined) return new Perplexity(config, text, start, options)
  options.onNote?.('no perplexity is measured: random weights know no text')
  return undefined
}

/** Closes the files behind the rows of a plan. */
export async function closeData({ data, held_out }: TrainPlan): Promise<void> {
  await data.close()
  await held_out?.close()
}

export function summarise(plan: TrainPlan): PlanSummary {
  const { config, spec, trained, data, held_out, teaching, student } = plan
  const pruning = plan.pruning && summarisePruning(plan.pruning, plan)
  const parameters = countParameters(spec)
  const rows = config.batch_size * config.accumulation
  return {
    objective: config.objective,
    parameters,
    trained_parameters: trained.parameters,
    memory_bytes: memoryBytes(plan),
    activation_bytes: activationBytes(plan),
    peak_memory_bytes: peakBytes(plan),
    checkpoint_bytes: checkpointBytes(plan),
    tokens_per_step: rows * config.sequence_length,
    tokens: config.steps * rows * config.sequence_length,
    epochs: (config.steps * rows) / data.rows.rowsPerEpoch,
    data: data.statistics,
    ...(held_out && { held_out: held_out.statistics }),
    ...(pruning && { pruning }),
    ...(teaching && { teaching: summariseTeaching(teaching) }),
    ...(student && { student: { layers: student.layers, hidden_size: student.hidden_size } }),
  }
}

// The config.json of what training starts from, or the keys under init; then what the tokenizer's folder says of special tokens.
async function resultConfig(
  config: TrainConfig,
  start: Record<string, unknown> | undefined,
  files: ModelFolder,
): Promise<Record<string, unknown>> {
  const { initialization: _, ...init } = config.init ?? {}
  const own: Record<string, unknown> = { ...(start ?? withTrainedHead(init)) }
  if (!config.lora) own[dtypeKey(own)] = config.dtype // an adapter is merged into the model as it is stored
  if (config.tokenizer === undefined) return own
  for (const key of ['bos_token_id', 'eos_token_id', 'pad_token_id']) {
    if (key in files.generation.config) own[key] = files.generation.config[key]
  }
  return own
}
