/** Differences of models, opened for a model in memory. */
import { type DecoderSpec, decoderSpec } from '../../checkpoint/model_config'
import { type ModelFolder, openModelFolder } from '../../checkpoint/model_folder'
import { checkSameVocabulary } from '../../checkpoint/vocabulary'
import { type Handle, type JobCallbacks, runJob } from '../../native'
import { checkSameFamily } from '../merge'

/** What is put on a model: the difference chat - base of two model folders. */
export interface Delta {
  base: string
  chat: string
}

export interface Described {
  folder: ModelFolder
  spec: DecoderSpec
}

export async function describe(given: string): Promise<Described> {
  const folder = await openModelFolder(given)
  return { folder, spec: decoderSpec(folder.config, folder.configFile) }
}

/**
 * Opens a delta and matches it with the target: nothing but headers is read. Throws ERR_ARCHITECTURE, ERR_VOCABULARY,
 * ERR_SHAPE_MISMATCH, ERR_MISSING_TENSOR, ERR_DTYPE, ERR_TIED_HEAD.
 */
export async function openDelta(
  target: Described,
  delta: Delta,
  callbacks: JobCallbacks = {},
): Promise<Handle> {
  const [base, chat] = [await describe(delta.base), await describe(delta.chat)]
  for (const other of [base, chat]) {
    checkSameFamily(target, other)
    await checkSameVocabulary(target.folder, other.folder)
  }
  const inputs = {
    target: target.folder.path,
    base: base.folder.path,
    chat: chat.folder.path,
    target_tied: target.spec.tie_word_embeddings,
    base_tied: base.spec.tie_word_embeddings,
    chat_tied: chat.spec.tie_word_embeddings,
  }
  return runJob('openDeltas', inputs, callbacks)
}
