/** Manifests: tables with a row a sound file. */
import { dirname, extname, resolve } from 'node:path'
import { TongueforgeError } from '../errors'
import { tableRecord } from '../text/csv_records'
import { readJsonRecords } from '../text/json_records'
import { dataError, notUtf8 } from '../text/lines'
import { type Dialect, readTable } from '../text/table_rows'

export interface ManifestRow {
  /** As it stands there. */
  name: string
  /** Where the file is: names are relative to the folder of the manifest. */
  path: string
  /** Whatever else the row says: of .csv and .tsv, text. */
  columns: Record<string, unknown>
  /** In the manifest, from 1. */
  line: number
}

export interface ManifestOptions {
  /** Where the path stands; default: the first of COLUMNS that is there. */
  column?: string | undefined
  /** Called with what is wrong with a row, which is then left out; without it the first such row throws. */
  onInvalid?: ((error: Error) => void) | undefined
  signal?: AbortSignal | undefined
}

const COLUMNS = ['path', 'file', 'audio']

type Row = { record: Record<string, unknown>; line: number }

const READERS: Readonly<Record<string, (file: string, options: ManifestOptions) => AsyncGenerator<Row>>> = {
  '.csv': (file, options) => tableRows(file, { delimiter: ',', quote: '"' }, options),
  '.tsv': (file, options) => tableRows(file, { delimiter: '\t', quote: null }, options),
  '.jsonl': readJsonRecords,
  '.ndjson': readJsonRecords,
}

export const MANIFESTS = Object.keys(READERS).join(', ')

export const isManifest = (path: string) => extname(path).toLowerCase() in READERS

/**
 * The rows of a manifest, streaming. Throws ERR_DATA with file:line for a row without a path or one that was named
 * before, for a table that is none; ERR_NOT_FOUND, ERR_IO; `signal.reason` when aborted.
 */
export async function* readManifest(
  file: string,
  options: ManifestOptions = {},
): AsyncGenerator<ManifestRow> {
  const { onInvalid } = options
  const lines = new Map<string, number>()
  for await (const { record, line } of READERS[extname(file).toLowerCase()]!(file, options)) {
    const row = checkedRow(file, rowOf(file, record, line, options.column), lines)
    if (!(row instanceof TongueforgeError)) yield row
    else if (onInvalid) onInvalid(row)
    else throw row
  }
}

/** A row, or what is wrong with it; `lines` of the files named so far. */
function checkedRow(
  file: string,
  row: ManifestRow | TongueforgeError,
  lines: Map<string, number>,
): ManifestRow | TongueforgeError {
  if (row instanceof TongueforgeError) return row
  const before = lines.get(row.path)
  if (before !== undefined) return namedTwice(file, row, before)
  lines.set(row.path, row.line)
  return row
}

function rowOf(
  file: string,
  record: Record<string, unknown>,
  line: number,
  column: string | undefined,
): ManifestRow | TongueforgeError {
  const key = column ?? COLUMNS.find((known) => known in record)
  const { [key ?? '']: name, ...columns } = record
  if (typeof name === 'string' && name !== '')
    return { name, path: resolve(dirname(file), name), columns, line }
  const wanted = column === undefined ? COLUMNS.join(', ') : column
  const found = Object.keys(record).join(', ') || 'none'
  return dataError(
    file,
    line,
    `expected the path of a sound file under ${wanted}; found the columns ${found}`,
    'Name the column: { path: MANIFEST, column: NAME }',
  )
}

const namedTwice = (file: string, { name, line }: ManifestRow, before: number) =>
  dataError(
    file,
    line,
    `expected each file once, received ${name} in line ${before} too`,
    'Remove one of the rows.',
  )

/** The first row names the columns. */
async function* tableRows(
  file: string,
  dialect: Dialect,
  { onInvalid, signal }: ManifestOptions,
): AsyncGenerator<Row> {
  let names: string[] | undefined
  for await (const { cells, line } of readTable(file, dialect, signal)) {
    if (cells && names) yield { record: tableRecord(names, cells), line }
    else if (cells) names = cells
    else if (names && onInvalid) onInvalid(notUtf8(file, line))
    else throw notUtf8(file, line) // without a head nothing can be read
  }
}
