/** Everything that is known before the first step: config, model, tokens, rows. */
import { countParameters, type DecoderSpec, decoderSpec } from '../../checkpoint/model_config'
import { type ModelFolder, openModelFolder, openTokenizerFolder } from '../../checkpoint/model_folder'
import { applyOverrides, checkConfig, readYaml } from '../../config/parse'
import { type TrainConfig, trainSchema } from '../../config/train'
import { TongueforgeError } from '../../errors'
import { loadModelText, type ModelText } from '../../text/model_text'
import { type DataStatistics, loadData, type TrainingData } from './data'
import type { RunInputs } from './identity'
import { checkSelection } from './selection'

export interface TrainPlan extends RunInputs {
  config: TrainConfig
  spec: DecoderSpec
  /** The result's config.json. */
  modelConfig: Record<string, unknown>
  text: ModelText
  data: TrainingData
  held_out: TrainingData | undefined
}

/** What a dry run tells. */
export interface PlanSummary {
  objective: string
  parameters: number
  /** Weights, gradients and moments in float32; activations come on top. */
  memory_bytes: number
  checkpoint_bytes: number
  tokens_per_step: number
  epochs: number
  data: DataStatistics
  held_out?: DataStatistics
}

/** Reads and checks a config: a YAML file or an object, then overrides. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_USAGE. */
export async function readTrainConfig(
  source: string | object,
  overrides: readonly string[],
): Promise<TrainConfig> {
  const file = typeof source === 'string' ? source : 'config'
  const raw = typeof source === 'string' ? await readYaml(source) : source
  const config = checkConfig(trainSchema, applyOverrides(raw, overrides), file)
  if ((config.model === undefined) === (config.init === undefined)) {
    throw new TongueforgeError(
      'ERR_CONFIG',
      `${file}: expected either model or init, received ${config.model ? 'both' : 'neither'}`,
      {
        hint: 'model: FOLDER starts from a model, init: { ...keys of config.json } from random weights.',
        details: { file, key: 'model' },
      },
    )
  }
  if (config.init !== undefined && config.tokenizer === undefined) {
    throw new TongueforgeError('ERR_CONFIG', `${file}: expected tokenizer beside init, received none`, {
      hint: 'tokenizer: FOLDER names the folder with tokenizer.json.',
      details: { file, key: 'tokenizer' },
    })
  }
  checkSelection(config, file)
  return config
}

/** Opens the folders that a config names; what is in them is read later. Throws ERR_NOT_FOUND. */
export async function openInputs(config: TrainConfig): Promise<RunInputs> {
  const model = config.model === undefined ? undefined : await openModelFolder(config.model)
  const files = config.tokenizer === undefined ? model! : await openTokenizerFolder(config.tokenizer)
  return { model, files }
}

/** Reads the data and lays everything out. Throws ERR_DATA, ERR_MODEL_CONFIG, ERR_VOCABULARY. */
export async function planTraining(
  config: TrainConfig,
  { model, files }: RunInputs,
  signal: AbortSignal,
): Promise<TrainPlan> {
  const modelConfig = await resultConfig(config, model, files)
  const spec = decoderSpec(modelConfig, model?.configFile ?? 'init')
  const text = await loadModelText(files)
  checkVocabulary(text, spec, files.path)
  const data = await loadData(config.data, config, text, { shuffle: true, signal })
  const held_out = config.eval && (await loadData(config.eval.data, config, text, { shuffle: false, signal }))
  return { config, spec, model, files, modelConfig, text, data, held_out }
}

/** Weights and two moments in float32. */
export const checkpointBytes = (spec: DecoderSpec) => 12 * countParameters(spec)
export const modelBytes = (spec: DecoderSpec) => 4 * countParameters(spec)

export function summarise({ config, spec, data, held_out }: TrainPlan): PlanSummary {
  const parameters = countParameters(spec)
  const rows = config.batch_size * config.accumulation
  return {
    objective: config.objective,
    parameters,
    memory_bytes: 16 * parameters,
    checkpoint_bytes: checkpointBytes(spec),
    tokens_per_step: rows * config.sequence_length,
    epochs: (config.steps * rows) / data.rows.rowsPerEpoch,
    data: data.statistics,
    ...(held_out && { held_out: held_out.statistics }),
  }
}

// The model's own config.json, or the keys under init; then what the tokenizer's folder says of special tokens.
async function resultConfig(
  config: TrainConfig,
  model: ModelFolder | undefined,
  files: ModelFolder,
): Promise<Record<string, unknown>> {
  const { initialization: _, ...init } = config.init ?? {}
  const own: Record<string, unknown> = { ...(model?.config ?? init) }
  const dtypeKey = 'dtype' in own && !('torch_dtype' in own) ? 'dtype' : 'torch_dtype'
  own[dtypeKey] = config.dtype
  if (config.tokenizer === undefined) return own
  for (const key of ['bos_token_id', 'eos_token_id', 'pad_token_id']) {
    if (key in files.generation.config) own[key] = files.generation.config[key]
  }
  return own
}

function checkVocabulary({ tokenizer }: ModelText, spec: DecoderSpec, folder: string): void {
  if (tokenizer.vocabSize <= spec.vocab_size) return
  throw new TongueforgeError(
    'ERR_VOCABULARY',
    `${folder}: expected at most vocab_size = ${spec.vocab_size} tokens, found ${tokenizer.vocabSize} in tokenizer.json`,
    { hint: 'Tokenizer and model do not belong together.', details: { path: folder } },
  )
}
