/** Token ids from a caller, as native code takes them. */
import { TongueforgeError } from '../errors'

export const int32Rows = (rows: readonly ArrayLike<number>[]) => rows.map(int32Row)

// What does not fit is refused: a conversion would make another token of it without a word.
export function int32Row(row: ArrayLike<number>): Int32Array {
  if (row instanceof Int32Array) return row
  const ids = Int32Array.from(row)
  const place = ids.findIndex((id, i) => id !== row[i])
  if (place < 0) return ids
  throw new TongueforgeError('ERR_DATA', `Expected token ids, received ${row[place]} at ${place}`, {
    hint: 'An id is a whole number from 0 to below the size of the vocabulary.',
    details: { place, received: row[place] },
  })
}
