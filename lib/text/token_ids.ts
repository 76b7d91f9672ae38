/** Token ids from a caller, as native code takes them. */
import { refused } from '../config/call_options'
import { shown } from '../config/parse'
import { TongueforgeError } from '../errors'

// What does not fit is refused: a conversion would make another token of it without a word.
export function int32Row(
  option: string,
  row: ArrayLike<number>,
  expected = 'a list of token ids',
): Int32Array {
  if (row instanceof Int32Array) return row
  if (!Array.isArray(row) && !ArrayBuffer.isView(row)) throw refused(option, expected, row)
  const ids = Int32Array.from(row, (id) => (typeof id === 'number' ? id : 0))
  const place = ids.findIndex((id, i) => id !== row[i])
  if (place < 0) return ids
  throw new TongueforgeError(
    'ERR_DATA',
    `${option}: expected token ids, received ${shown(row[place])} at ${place}`,
    {
      hint: 'An id is a whole number from 0 to below the size of the vocabulary.',
      details: { place, received: row[place] },
    },
  )
}
