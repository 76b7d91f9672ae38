/** What a run reads its data by: the tokenizer of a text model, or the front end and the targets of a speech encoder. */
import { FrontEnd } from '../../audio/front_end'
import { SoundTargets } from '../../audio/targets'
import type { ModelFolder } from '../../checkpoint/model_folder'
import type { ModelSpec } from '../../checkpoint/model_spec'
import type { SpeechSpec } from '../../checkpoint/speech_config'
import type { DataSource } from '../../config/data'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import { loadModelText, type ModelText } from '../../text/model_text'
import { objectiveOf } from '../../text/objectives'
import { type LoadOptions, loadData, type TrainingData } from './data'
import { loadSounds, type SoundInputs } from './sound_data'

export interface Reading {
  /** Of a model that reads text. */
  text?: ModelText | undefined
  load(sources: readonly DataSource[], options: LoadOptions): Promise<TrainingData>
}

/** `now` is the time that a chat template writes. Throws ERR_TOKENIZER, ERR_VOCABULARY, ERR_MODEL_CONFIG, ERR_DATA. */
export async function openReading(
  config: TrainConfig,
  spec: ModelSpec,
  files: ModelFolder,
  { signal, now = new Date() }: { signal: AbortSignal; now?: Date | undefined },
): Promise<Reading> {
  return spec.kind === 'speech' ? openSounds(config, spec, files, signal) : openText(config, spec, files, now)
}

async function openText(
  config: TrainConfig,
  spec: ModelSpec,
  files: ModelFolder,
  now: Date,
): Promise<Reading> {
  const { template, ...rest } = await loadModelText(files)
  const text = { ...rest, template: template?.stopped(now) }
  checkVocabulary(text, spec, files.path)
  const how = { ...config, objective: objectiveOf(config) }
  return { text, load: (sources, options) => loadData(sources, how, text, options) }
}

async function openSounds(
  config: TrainConfig,
  spec: SpeechSpec,
  files: ModelFolder,
  signal: AbortSignal,
): Promise<Reading> {
  const inputs = await openEars(spec, files, config, signal)
  return { load: (sources, options) => loadSounds(sources, config, inputs, options) }
}

/** The front end in the folder of a speech encoder, the targets if there are some, and the spans that are hidden. */
export async function openEars(
  spec: SpeechSpec,
  files: ModelFolder,
  { sound, seed }: Pick<TrainConfig, 'sound' | 'seed'>,
  signal: AbortSignal,
): Promise<SoundInputs> {
  const { targets: folder, mask_probability, mask_length } = sound ?? {}
  const frontEnd = await FrontEnd.open(files.path, { seed })
  frontEnd.requireWidth(spec.frame_width, files.path)
  const targets = folder === undefined ? undefined : await SoundTargets.open(folder, signal)
  if (targets && targets.clusters > spec.vocab_size) throw tooManyClusters(targets, spec)
  const spans = {
    ...spec.masking,
    ...(mask_probability !== undefined && { probability: mask_probability }),
    ...(mask_length !== undefined && { length: mask_length }),
  }
  return { frontEnd, targets, spans }
}

function checkVocabulary({ tokenizer }: ModelText, spec: ModelSpec, folder: string): void {
  const { vocabSize, idCount } = tokenizer
  if (idCount <= spec.vocab_size) return
  const problem =
    vocabSize > spec.vocab_size
      ? `expected at most vocab_size = ${spec.vocab_size} tokens, found ${vocabSize} in tokenizer.json`
      : `expected ids below vocab_size = ${spec.vocab_size}, found ${idCount - 1} in tokenizer.json`
  throw new TongueforgeError('ERR_VOCABULARY', `${folder}: ${problem}`, {
    hint: 'Tokenizer and model do not belong together.',
    details: { path: folder },
  })
}

const tooManyClusters = ({ folder, clusters }: SoundTargets, { vocab_size }: SpeechSpec) =>
  new TongueforgeError(
    'ERR_CONFIG',
    `config: sound.targets: expected at most ${vocab_size} clusters, found ${clusters} in ${folder}`,
    {
      hint: `The model foretells num_cluster of config.json: set init.num_cluster=${clusters}, or make fewer clusters.`,
      details: { key: 'sound.targets', path: folder },
    },
  )
