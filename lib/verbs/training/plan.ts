/** Everything that is known before the first step: config, model, tokens, rows. */
import { PREPROCESSOR_FILE } from '../../audio/front_end_config'
import { openAdapter } from '../../checkpoint/adapter_folder'
import { dtypeKey } from '../../checkpoint/dtype_key'
import { type ModelFolder, openModelFolder, openTokenizerFolder } from '../../checkpoint/model_folder'
import { type ModelSpec, modelSpec } from '../../checkpoint/model_spec'
import type { TrainConfig } from '../../config/train'
import { countParameters } from '../../counting/parameters'
import type { ModelText } from '../../text/model_text'
import type { Tokens } from '../../text/tokens'
import type { LoadOptions, TrainingData } from './data'
import type { DataStatistics } from './data_statistics'
import type { Identity, RunInputs } from './identity'
import { activationBytes, checkpointBytes, memoryBytes, peakBytes } from './memory'
import { checkKind, withTrainedHead } from './model_kind'
import { Perplexity, type PerplexityOptions } from './perplexity'
import {
  checkPool,
  type PruneSchedule,
  type PruningSummary,
  pruneSchedule,
  summarisePruning,
} from './prune_schedule'
import { openReading } from './reading'
import { planSamples, type SamplesPlan } from './samples'
import { startingPoint } from './starting_model'
import { planStudent, type StudentPlan } from './student'
import {
  checkSameTokens,
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
