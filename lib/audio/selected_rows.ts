/** Rows of a manifest that a source means, by what stands in their columns. */
import type { RowsWhere } from '../config/audio'
import { TongueforgeError } from '../errors'

/** Whether a row is one of them. Throws ERR_DATA for a column that it lacks. */
export function isSelected(
  { path, columns }: { path: string; columns: Record<string, unknown> },
  where: RowsWhere,
): boolean {
  return Object.entries(where).every(([column, wanted]) => {
    if (!Object.hasOwn(columns, column)) throw noColumn(path, column, columns)
    const cell = columns[column]
    if (typeof wanted === 'object' && !Array.isArray(wanted)) {
      const number = numberIn(cell)
      return wanted.from <= number && number <= wanted.to
    }
    // Neither nothing nor a list is a text, whatever it looks like as one.
    if (cell === null || typeof cell === 'object') return false
    return [wanted].flat().some((one) => String(one) === String(cell))
  })
}

/** A number, or what a text says is one; NaN for all else, which is in no range. */
function numberIn(cell: unknown): number {
  if (typeof cell === 'number') return cell
  return typeof cell === 'string' && cell.trim() !== '' ? Number(cell) : Number.NaN
}

/** What is wrong with a row that has not the column. */
export function noColumn(
  path: string,
  column: string,
  columns: Record<string, unknown>,
  key = 'where',
): TongueforgeError {
  const found = Object.keys(columns).join(', ') || 'none'
  return new TongueforgeError(
    'ERR_DATA',
    `${path}: expected the column ${column} in its row of the manifest, found ${found}`,
    {
      hint: `${key} names columns of a manifest (.csv, .tsv, .jsonl) beside the path.`,
      details: { file: path, key },
    },
  )
}
