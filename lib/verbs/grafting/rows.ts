/** The rows of a graft as the native side wants them: of each row of the result, the row in each model or -1. */
import type { GraftInputs } from '../../native'
import type { Alignment } from '../../text/alignment/align'

/** Empty where all models have the same rows. */
export interface GraftRows {
  target_rows?: Int32Array
  vectors: Pick<GraftInputs['vectors'][number], 'base_rows' | 'chat_rows'>[]
}

/**
 * A token that base or chat lacks has no difference: both get -1. With `residual`, target and chat of the only vector
 * have each other's part: rows of the chat model are the ones that are added to. Which row is kept or added is the same.
 */
export function graftRows({ num_rows, rows, vectors }: Alignment, residual = false): GraftRows {
  if (vectors.every(({ base_rows }) => base_rows === undefined)) return { vectors: vectors.map(() => ({})) }
  const own = Int32Array.from({ length: num_rows }, (_, i) => i)
  const target = rows?.target ?? own
  const fromChat = rows?.from_chat ?? new Int32Array(num_rows).fill(-1)
  const pairs = vectors.map(({ base_rows = own, chat_rows = own }) => ({ base_rows, chat_rows }))
  if (residual) return residualRows(target, fromChat, pairs[0]!)
  return {
    ...(rows && { target_rows: target }),
    vectors: pairs.map(({ base_rows, chat_rows }, v) => {
      const both = (i: number) => base_rows[i]! >= 0 && chat_rows[i]! >= 0
      return {
        base_rows: base_rows.map((row, i) => (both(i) ? row : -1)),
        chat_rows: chat_rows.map((row, i) =>
          v === 0 && fromChat[i]! >= 0 ? fromChat[i]! : both(i) ? row : -1,
        ),
      }
    }),
  }
}

type Pair = Required<GraftRows['vectors'][number]>

function residualRows(target: Int32Array, fromChat: Int32Array, { base_rows, chat_rows }: Pair): GraftRows {
  const differs = (i: number) => target[i]! >= 0 && base_rows[i]! >= 0 && chat_rows[i]! >= 0
  return {
    // Where nothing can be added, the target's row comes in as an added one does; the chat model's where it has none.
    target_rows: chat_rows.map((row, i) => (differs(i) ? row : fromChat[i]!)),
    vectors: [{ base_rows: base_rows.map((row, i) => (differs(i) ? row : -1)), chat_rows: target }],
  }
}
