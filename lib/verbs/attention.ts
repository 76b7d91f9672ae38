/**
 * How the heads of an encoder look: along the diagonal, in columns, all around (Yang et al. 2020, arXiv 2006.03265), and
 * whether those that look along the diagonal stay when heads are pruned. load -> look -> report. Docs: docs/attention.md.
 */
import type { AudioSourceLike } from '../audio/list'
import type { EncoderSpec } from '../checkpoint/encoder_config'
import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder'
import { modelSpec } from '../checkpoint/model_spec'
import type { SpeechSpec } from '../checkpoint/speech_config'
import { soundAttentionSchema, textAttentionSchema } from '../config/attention'
import { checkOptions, JOB_LISTENERS, type Kinds, pathOption } from '../config/call_options'
import { checkConfig } from '../config/parse'
import { TongueforgeError } from '../errors'
import { type CountProgress, type JobCallbacks, native } from '../native'
import type { Source } from '../text/documents'
import { openSounds, openTexts, type ReadingOptions } from './attending/documents'
import { readPrunedRun } from './attending/pruned_run'
import { type AttentionReport, reportOf } from './attending/report'
import { meanShapes } from './attending/shapes'
import type { LoadOptions } from './load_options'
import { loadedEncoder } from './loaded_encoder'

export type { AttentionHead, AttentionReport, HeadCorrelation, PruningOrder } from './attending/report'
export type { HeadShape } from './attending/shapes'

export type AttentionSource = string | Source | AudioSourceLike

/** Which documents heads are measured on. */
export interface AttentionOptions
  extends Pick<LoadOptions, 'device' | 'dtype' | 'threads'>,
    JobCallbacks<CountProgress> {
  /** Paths, or sources as in a config: `{ path, where }` of sound, `{ path, field }` of texts. */
  data: AttentionSource | readonly AttentionSource[]
  /** Run folder of `compress` on this model: when each head left is told beside how it looks. */
  pruned?: string | undefined
  /** Utterances or texts that are looked at, from the first on; default: all. */
  limit?: number | undefined
  /** Of the permutations that p values are counted by; default: 1. */
  seed?: number | undefined
  onWarning?: ((message: string) => void) | undefined
}

const OPTIONS: Kinds<AttentionOptions> = {
  ...JOB_LISTENERS,
  device: 'text',
  dtype: 'text',
  threads: 'threads',
  data: 'any',
  pruned: 'any',
  limit: 'any',
  seed: 'any',
  onWarning: 'function',
}

/**
 * The shape of attention of every head of a speech or text encoder, on the mean over documents, each at its own length.
 * The same bytes on the same machine. Throws ERR_MODEL_CONFIG for a decoder, ERR_CONFIG, ERR_NOT_FOUND, ERR_AUDIO, ERR_DATA
 * for data without places that look, or for a run that began with another model, ERR_NON_FINITE.
 */
export async function attention(folder: string, options: AttentionOptions): Promise<AttentionReport> {
  checkOptions('attention', options, OPTIONS)
  pathOption('attention: folder', folder)
  const { data, pruned, limit, seed, device, dtype, threads = 0, ...callbacks } = options
  const list = data && [data].flat().map((one) => (typeof one === 'string' ? { path: one } : one))
  const given = { data: list, pruned, limit, seed }
  const files = await openModelFolder(folder)
  const spec = encoderIn(files)
  const { config, open } = readingOf(files, spec, given)
  const run =
    config.pruned === undefined ? undefined : await readPrunedRun(config.pruned, files, callbacks.signal)
  const documents = await open({ threads, ...callbacks })
  try {
    const model = await loadedEncoder(files.path, spec, { device, dtype, threads, signal: callbacks.signal })
    try {
      const shapes = await meanShapes(model.handle, documents, { threads, ...callbacks })
      if (shapes.documents === 0) throw nothingToSee(config.data.map(({ path }) => path))
      return reportOf(spec.architecture, shapes, run, config.seed)
    } finally {
      native().dispose(model.handle)
    }
  } finally {
    await documents.close()
  }
}

/** Sources are those of sound or of text. Throws ERR_CONFIG. */
function readingOf(files: ModelFolder, spec: EncoderSpec | SpeechSpec, given: object) {
  if (spec.kind === 'speech') {
    const config = checkConfig(soundAttentionSchema, given, 'attention')
    return { config, open: (options: ReadingOptions) => openSounds(files, spec, config, options) }
  }
  const config = checkConfig(textAttentionSchema, given, 'attention')
  return { config, open: (options: ReadingOptions) => openTexts(files, spec, config, options) }
}

function encoderIn({ config, configFile }: ModelFolder): EncoderSpec | SpeechSpec {
  const spec = modelSpec(config, configFile)
  if (spec.kind !== 'decoder') return spec
  throw new TongueforgeError(
    'ERR_MODEL_CONFIG',
    `${configFile}: expected an encoder of speech or text, received ${spec.architecture}, whose heads look back alone`,
    { hint: 'Give a MelHuBERT, HuBERT, wav2vec 2.0, BERT or RoBERTa model.', details: { file: configFile } },
  )
}

const nothingToSee = (paths: readonly string[]) =>
  new TongueforgeError('ERR_DATA', `${paths.join(', ')}: expected sound or texts of two places, found none`, {
    hint: 'A single place has nowhere to look: give longer ones.',
    details: { files: paths },
  })
