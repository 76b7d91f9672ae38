/** Differences of models, opened for a model in memory. */
import { type Handle, type JobCallbacks, runJob } from '../../native'
import type { Alignment } from '../../text/alignment/align'
import { checkDescent } from '../grafting/descent'
import { alignModels, checkSameFamily, type Described, nativeInputs, openVector } from '../grafting/inputs'

/** What is put on a model: a folder that `extractDelta` wrote, or the difference chat - base of two model folders. */
export type Delta = string | { base: string; chat: string }

export interface OpenDeltaOptions extends JobCallbacks {
  /** Also where the target does not seem to descend from the base of a folder. */
  force?: boolean | undefined
}

/**
 * Opens a delta and matches it with the target, rows of the vocabulary by token: nothing but headers is read. Throws
 * ERR_ARCHITECTURE, ERR_VOCABULARY, ERR_SHAPE_MISMATCH, ERR_MISSING_TENSOR, ERR_DTYPE, ERR_TIED_HEAD, ERR_DELTA, ERR_WRONG_BASE.
 */
export async function openDelta(
  target: Described,
  delta: Delta,
  { force = false, ...callbacks }: OpenDeltaOptions = {},
): Promise<Handle> {
  const vector = await openVector(typeof delta === 'string' ? { delta } : delta)
  for (const other of [vector.base, vector.chat]) checkSameFamily(target, other)
  if (vector.delta) await checkDescent(target.folder, vector.delta, force)
  const models = { target: { role: 'target', ...target }, vectors: [{ ...vector, scale: 1 }] }
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
