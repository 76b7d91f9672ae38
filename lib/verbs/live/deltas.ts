/** Differences of models, opened for a model in memory. */
import { shown } from '../../config/parse'
import { TongueforgeError } from '../../errors'
import { type Handle, type JobCallbacks, runJob } from '../../native'
import type { Alignment } from '../../text/alignment/align'
import { checkDescent } from '../grafting/descent'
import { alignModels, checkSameFamily, type Described, nativeInputs, openVector } from '../grafting/inputs'

/** What is put on a model: a folder that `extractDelta` wrote, or the difference chat - base of two model folders. */
export type Delta = string | { base: string; chat: string }

/** Throws ERR_USAGE for what is neither. */
export function checkDelta(delta: unknown): void {
  const { base, chat } = Object(delta) as { base?: unknown; chat?: unknown } // {} of nothing
  if (typeof delta === 'string' || (typeof base === 'string' && typeof chat === 'string')) return
  throw new TongueforgeError(
    'ERR_USAGE',
    `delta: expected the folder of a delta, or { base, chat }, received ${shown(delta)}`,
    {
      hint: "model.graft({ base: 'llama', chat: 'llama-chat' })",
      details: { option: 'delta', received: delta },
    },
  )
}

export interface OpenDeltaOptions extends JobCallbacks {
  /** Also where the target does not seem to descend from the base of a folder. */
  force?: boolean | undefined
}

export interface OpenedDelta {
  deltas: Handle
  /** Control tokens of the chat model that the target lacks. */
  missing: string[]
}

/**
 * Opens a delta and matches it with the target, rows of the vocabulary by token: nothing but headers is read. Throws
 * ERR_ARCHITECTURE, ERR_VOCABULARY, ERR_SHAPE_MISMATCH, ERR_MISSING_TENSOR, ERR_DTYPE, ERR_TIED_HEAD, ERR_DELTA, ERR_WRONG_BASE.
 */
export async function openDelta(
  target: Described,
  delta: Delta,
  { force = false, ...callbacks }: OpenDeltaOptions = {},
): Promise<OpenedDelta> {
  const vector = await openVector(typeof delta === 'string' ? { delta } : delta)
  for (const other of [vector.base, vector.chat]) checkSameFamily(target, other)
  if (vector.delta) await checkDescent(target.folder, vector.delta, force)
  const models = { target: { role: 'target', ...target }, vectors: [{ ...vector, scale: 1 }] }
  const alignment = await alignModels(models)
  const inputs = await nativeInputs(models, { residual: false }, ownRows(alignment, target.spec.vocab_size))
  const deltas = await runJob('openDeltas', inputs, callbacks)
  return { deltas, missing: Object.keys(alignment.report.added_tokens) }
}

/** A model in memory keeps its vocabulary: rows of tokens that it lacks stay as they are. */
function ownRows(alignment: Alignment, count: number): Alignment {
  const { rows: added, ...rest } = alignment
  const own = (rows: Int32Array) =>
    rows.slice(0, count).map((row, id) => ((added?.from_chat[id] ?? -1) >= 0 ? -1 : row))
  const vectors = alignment.vectors.map(({ base_rows, chat_rows }) =>
    base_rows && chat_rows ? { base_rows: own(base_rows), chat_rows: own(chat_rows) } : {},
  )
  return { ...rest, num_rows: count, vectors }
}
