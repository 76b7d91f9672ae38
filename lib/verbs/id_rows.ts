/** Rows of token ids from a caller, and where in them something begins or ends. */
import { listOption, numberOption } from '../config/call_options'
import { shown } from '../config/parse'
import { TongueforgeError } from '../errors'
import { int32Row } from '../text/token_ids'

/** Throws ERR_USAGE for what is no list of rows, ERR_DATA for what are no ids. */
export const int32Rows = (option: string, rows: readonly ArrayLike<number>[]): Int32Array[] =>
  Array.from(listOption(option, rows, 'rows of token ids'), (row, i) => int32Row(`${option}[${i}]`, row))

const FROM_SECOND = { least: 1, most: 2 ** 30, whole: true }

/** Index of the first token of rows that counts. Throws ERR_USAGE where a row has none there; from 1 on, a row of one may. */
export function firstTargetOf(rows: readonly ArrayLike<number>[], first: unknown): number {
  const target = numberOption('firstTarget', first, FROM_SECOND)
  const row = target === 1 ? -1 : rows.findIndex(({ length }) => target >= length)
  if (row < 0) return target
  const { length } = rows[row]!
  throw new TongueforgeError(
    'ERR_USAGE',
    `firstTarget: expected a place below ${length}, the tokens of row ${row}, received ${target}`,
    { details: { option: 'firstTarget', received: target, row } },
  )
}

/** The same of requests, each with its own; that there are so many tokens is for native code to check. */
export function firstTargetsOf(requests: readonly { firstTarget: number }[]): Int32Array {
  return Int32Array.from(requests, ({ firstTarget }, i) => {
    if (Number.isInteger(firstTarget) && Math.abs(firstTarget) <= FROM_SECOND.most) return firstTarget
    return numberOption(`firstTarget of request ${i}`, firstTarget, FROM_SECOND)
  })
}

/** Ids that end a sequence. Throws ERR_USAGE for what is no list, and for an id that no token of the model can have. */
export function stopRow(ids: ArrayLike<number>, vocabulary: number): Int32Array {
  const refuse = (expected: string, received: unknown, place?: number) =>
    new TongueforgeError(
      'ERR_USAGE',
      `stopIds: expected ${expected}, received ${shown(received)}${place === undefined ? '' : ` at ${place}`}`,
      {
        hint: 'Leave stopIds out for those of the model folder; [] for none.',
        details: { option: 'stopIds', expected, received, ...(place !== undefined && { place }) },
      },
    )
  if (!Array.isArray(ids) && !ArrayBuffer.isView(ids)) throw refuse('a list of token ids', ids)
  const place = Array.from(ids).findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < vocabulary))
  if (place >= 0) throw refuse(`token ids, whole numbers from 0 to ${vocabulary - 1}`, ids[place], place)
  return Int32Array.from(ids)
}
