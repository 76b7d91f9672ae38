/** Tables of comma-separated values as records of texts. */
import { TongueforgeError } from '../errors'
import { chunksOf } from './chunks'
import type { NumberedRecord } from './json_records'
import { dataError } from './lines'

export interface CsvOptions {
  /** Names of the columns, for a table that may have no head: a first row that is these names is one. */
  columns?: readonly string[] | undefined
  signal?: AbortSignal | undefined
}

/** Characters of a row: a quote that is never closed must not fill the memory. */
const MAX_ROW = 2 ** 20

/**
 * Reads a table, streaming; without `columns` the first row names them. Throws ERR_DATA with file:line for rows of
 * another width, ERR_NOT_FOUND, ERR_IO; `signal.reason` when aborted.
 */
export async function* readCsvRecords(
  file: string,
  { columns, signal }: CsvOptions = {},
): AsyncGenerator<NumberedRecord> {
  const { parse } = await import('csv-parse') // loaded by the first table
  const { Readable } = await import('node:stream')
  const source = Readable.from(chunksOf(file, signal), { objectMode: false })
  const parser = parse({ bom: true, info: true, skip_empty_lines: true, max_record_size: MAX_ROW })
  source.on('error', (error) => parser.destroy(error))
  let names = columns
  let isFirst = true
  try {
    for await (const { record, info } of source.pipe(parser)) {
      const isHead = isFirst && (names === undefined || sameNames(names, record))
      isFirst = false
      if (isHead) names = columns ?? record
      else yield { record: recordOf(names!, record, file, info.lines), line: info.lines }
    }
  } catch (error) {
    if (error instanceof TongueforgeError || !isTableError(error)) throw error
    throw dataError(file, error.lines, `expected rows of a table: ${error.message}`, 'Mend the row.')
  } finally {
    source.destroy()
  }
}

const sameNames = (names: readonly string[], row: readonly string[]) =>
  names.length === row.length && names.every((name, i) => name.toLowerCase() === row[i]!.trim().toLowerCase())

function recordOf(names: readonly string[], row: readonly string[], file: string, line: number) {
  if (row.length !== names.length)
    throw dataError(file, line, `expected ${names.length} columns, received ${row.length}`, 'Mend the row.')
  const record: Record<string, string> = Object.create(null)
  for (const [i, name] of names.entries()) record[name] = row[i]!
  return record
}

const isTableError = (error: unknown): error is Error & { lines: number } =>
  error instanceof Error && 'lines' in error
