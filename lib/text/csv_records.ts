/** Tables of comma-separated values as records of texts. */
import type { NumberedRecord } from './json_records'
import { dataError, notUtf8 } from './lines'
import { readTable } from './table_rows'

export interface CsvOptions {
  /** Names of the columns, for a table that may have no head: a first row that is these names is one. */
  columns?: readonly string[] | undefined
  signal?: AbortSignal | undefined
}

/**
 * Reads a table, streaming; without `columns` the first row names them. Throws ERR_DATA with file:line for rows of
 * another width or that are not UTF-8, ERR_NOT_FOUND, ERR_IO; `signal.reason` when aborted.
 */
export async function* readCsvRecords(
  file: string,
  { columns, signal }: CsvOptions = {},
): AsyncGenerator<NumberedRecord> {
  let names = columns
  let isFirst = true
  for await (const { cells, line } of readTable(file, { delimiter: ',', quote: '"' }, signal)) {
    if (!cells) throw notUtf8(file, line)
    const isHead = isFirst && (names === undefined || sameNames(names, cells))
    isFirst = false
    if (isHead) names = columns ?? cells
    else yield { record: recordOf(names!, cells, file, line), line }
  }
}

const sameNames = (names: readonly string[], row: readonly string[]) =>
  names.length === row.length && names.every((name, i) => name.toLowerCase() === row[i]!.trim().toLowerCase())

function recordOf(names: readonly string[], row: readonly string[], file: string, line: number) {
  if (row.length !== names.length)
    throw dataError(file, line, `expected ${names.length} columns, received ${row.length}`, 'Mend the row.')
  return tableRecord(names, row)
}

/** A row under the names of its columns; without a prototype, so that no name can mean anything but itself. */
export function tableRecord(names: readonly string[], row: readonly string[]): Record<string, string> {
  const record: Record<string, string> = Object.create(null)
  for (const [i, name] of names.entries()) record[name] = row[i]!
  return record
}
