/** Differences of models, opened for a model in memory. */
import { type Handle, type JobCallbacks, runJob } from '../../native'
import type { Alignment } from '../../text/alignment/align'
import { alignModels, checkSameFamily, type Described, nativeInputs, openInput } from '../grafting/inputs'

/** What is put on a model: the difference chat - base of two model folders. */
export interface Delta {
  base: string
  chat: string
}

/**
 * Opens a delta and matches it with the target, rows of the vocabulary by token: nothing but headers is read. Throws
 * ERR_ARCHITECTURE, ERR_VOCABULARY, ERR_SHAPE_MISMATCH, ERR_MISSING_TENSOR, ERR_DTYPE, ERR_TIED_HEAD.
 */
export async function openDelta(
  target: Described,
  delta: Delta,
  callbacks: JobCallbacks = {},
): Promise<Handle> {
  const [base, chat] = [await openInput('base', delta.base), await openInput('chat', delta.chat)]
  for (const other of [base, chat]) checkSameFamily(target, other)
  const models = { target: { role: 'target', ...target }, vectors: [{ base, chat, scale: 1 }] }
  const alignment = ownRows(await alignModels(models), target.spec.vocab_size)
  return runJob('openDeltas', await nativeInputs(models, { residual: false }, alignment), callbacks)
}

/** A model in memory keeps its vocabulary: tokens that it lacks are not added. */
function ownRows(alignment: Alignment, count: number): Alignment {
  const { rows: _, ...rest } = alignment
  const vectors = alignment.vectors.map(({ base_rows, chat_rows }) =>
    base_rows && chat_rows
      ? { base_rows: base_rows.slice(0, count), chat_rows: chat_rows.slice(0, count) }
      : {},
  )
  return { ...rest, num_rows: count, vectors }
}
