/** The cell of a manifest that a probe foretells. */
import type { Utterance } from '../../audio/list'
import { noColumn } from '../../audio/selected_rows'
import type { OneProbe } from '../../config/probe'
import { TongueforgeError } from '../../errors'

/** Throws ERR_DATA where the row has no such column, or nothing in it. */
export function labelText({ path, columns }: Utterance, { name, label }: OneProbe): string {
  if (!Object.hasOwn(columns, label)) throw noColumn(path, label, columns, `probes: ${name}: label`)
  const cell = columns[label]
  const text = cell === null || typeof cell === 'object' ? '' : String(cell).trim()
  if (text !== '') return text
  throw new TongueforgeError('ERR_DATA', `${path}: expected a label in the column ${label}, found none`, {
    hint: 'Fill it in, or leave the row out with where.',
    details: { file: path, column: label, probe: name },
  })
}
