/** Which row of the target, of each base and of each chat model belongs to which row of the result. */
import { TongueforgeError } from '../../errors'
import { inSteps } from '../pause'
import type { Addition, Rows } from './control_tokens'
import type { Vocabulary } from './vocabulary'

/** The models that a chat vector is the difference of. */
export interface VectorOf<Model> {
  base: Model
  chat: Model
}

/** Of length (rows of the result); -1: the model has no such token. */
export interface VectorRows {
  base_rows: Int32Array
  chat_rows: Int32Array
}

/** Of length (rows of the result). A row that is added has -1 in `target`, every other -1 in `from_chat`. */
export interface ResultRows {
  target: Int32Array
  from_chat: Int32Array
}

export interface RowMaps {
  rows: ResultRows
  vectors: VectorRows[]
}

/**
 * Every row of the target stays where it is and is one of the result; `additions` take rows behind the target's tokens,
 * and their rows come from the first chat model. Rows that stand for no token match nothing. Throws ERR_VOCABULARY for
 * a token of the target in between that nobody has a row for.
 */
export async function alignRows(
  target: Rows,
  vectors: readonly VectorOf<Rows>[],
  additions: readonly Addition[],
): Promise<RowMaps> {
  const count = additions.reduce((most, { id }) => Math.max(most, id + 1), target.rows)
  const rows = resultRows(target, vectors[0]!.chat, additions, count)
  const maps: VectorRows[] = []
  for (const { base, chat } of vectors)
    maps.push({
      base_rows: await rowsOf(base, target.vocabulary, rows.target),
      chat_rows: await rowsOf(chat, target.vocabulary, rows.target),
    })
  return { rows, vectors: maps }
}

function resultRows(target: Rows, chat: Rows, additions: readonly Addition[], count: number): ResultRows {
  const rows = { target: Int32Array.from({ length: count }, (_, i) => i), from_chat: filled(count) }
  for (let id = target.rows; id < count; id++) rows.from_chat[id] = rowOf(chat, target.vocabulary, id)
  for (const { id, chatRow } of additions) rows.from_chat[id] = chatRow
  for (let id = 0; id < count; id++) {
    if (rows.from_chat[id]! >= 0) rows.target[id] = -1
    else if (id >= target.rows) throw noRow(target, id)
  }
  return rows
}

/** Where the tokens of the target's rows stand in a model. */
async function rowsOf(model: Rows, names: Vocabulary, targetRows: Int32Array): Promise<Int32Array> {
  const rows = filled(targetRows.length)
  await inSteps(rows.length, (from, to) => {
    for (let i = from; i < to; i++) if (targetRows[i]! >= 0) rows[i] = rowOf(model, names, targetRows[i]!)
  })
  return rows
}

function rowOf({ vocabulary, rows }: Rows, names: Vocabulary, id: number): number {
  const token = names.tokens[id]
  const found = token === undefined ? undefined : vocabulary.find(token, names)
  return found !== undefined && found < rows ? found : -1
}

const filled = (length: number) => new Int32Array(length).fill(-1)

function noRow({ vocabulary, rows }: Rows, id: number): TongueforgeError {
  const token = vocabulary.tokens[id]
  const what = token === undefined ? `id ${id}` : `${JSON.stringify(token)} (id ${id})`
  return new TongueforgeError(
    'ERR_VOCABULARY',
    `${vocabulary.file}: expected a row for ${what}, which neither the target (${rows} rows) nor the chat model has`,
    {
      hint: 'Tokens of the chat model come behind the last one of the target. Give the target a row for each of its own.',
      details: { file: vocabulary.file, id, rows },
    },
  )
}
