/**
 * How the heads of an encoder look: along the diagonal, in columns, all around (Yang et al. 2020, arXiv 2006.03265), and
 * whether those that look along the diagonal stay when heads are pruned. load -> look -> report. Docs: docs/attention.md.
 */
import type { EncoderSpec } from '../checkpoint/encoder_config'
import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder'
import { modelSpec } from '../checkpoint/model_spec'
import type { SpeechSpec } from '../checkpoint/speech_config'
import { attentionSchema } from '../config/attention'
import { checkConfig } from '../config/parse'
import { TongueforgeError } from '../errors'
import { type CountProgress, type JobCallbacks, native } from '../native'
import { openDocuments } from './attending/documents'
import { readPrunedRun } from './attending/pruned_run'
import { type AttentionReport, reportOf } from './attending/report'
import { meanShapes } from './attending/shapes'
import { loadedEncoder } from './loaded_encoder'
import type { LoadOptions } from './model'
import { listOf, type Sources } from './vocabulary/sources'

export type { AttentionHead, AttentionReport, HeadCorrelation, PruningOrder } from './attending/report'
export type { HeadShape } from './attending/shapes'

export interface AttentionOptions
  extends Pick<LoadOptions, 'device' | 'dtype' | 'threads'>,
    JobCallbacks<CountProgress> {
  /** Sound or texts: paths, or sources as in a config. */
  data: Sources
  /** Run folder of `compress` on this model: when each head left is told beside how it looks. */
  pruned?: string | undefined
  /** Utterances or texts that are looked at, from the first on; default: all. */
  limit?: number | undefined
  /** Of the permutations that p values are counted by; default: 1. */
  seed?: number | undefined
  onWarning?: ((message: string) => void) | undefined
}

/**
 * The shape of attention of every head of a speech or text encoder, on the mean over documents, each at its own length.
 * The same bytes on the same machine. Throws ERR_MODEL_CONFIG for a decoder, ERR_CONFIG, ERR_NOT_FOUND, ERR_AUDIO, ERR_DATA
 * for data without places that look, or for a run that began with another model, ERR_NON_FINITE.
 */
export async function attention(folder: string, options: AttentionOptions): Promise<AttentionReport> {
  const { data, pruned, limit, seed, device, dtype, threads = 0, ...callbacks } = options
  const given = { data: data && listOf(data), pruned, limit, seed }
  const config = checkConfig(attentionSchema, given, 'attention')
  const files = await openModelFolder(folder)
  const spec = encoderIn(files)
  const run =
    config.pruned === undefined ? undefined : await readPrunedRun(config.pruned, files, callbacks.signal)
  const documents = await openDocuments(files, spec, config, { threads, ...callbacks })
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
