/** Tables of separated values as rows of cells, streaming. */
import { TongueforgeError } from '../errors'
import { chunksOf } from './chunks'
import { dataError, utf8Text } from './lines'

export interface Dialect {
  delimiter: string
  /** null: quotes are characters like others. */
  quote: string | null
}

export interface TableRow {
  /** undefined: not all of it is UTF-8. */
  cells: string[] | undefined
  /** Where it ends, from 1. */
  line: number
}

/** Bytes of a row: a quote that is never closed must not fill the memory. */
const MAX_ROW = 2 ** 20

/**
 * The rows of a table, blank lines left out. Throws ERR_DATA with file:line for rows of another width than the first,
 * ERR_NOT_FOUND, ERR_IO; `signal.reason` when aborted.
 */
export async function* readTable(
  file: string,
  dialect: Dialect,
  signal?: AbortSignal,
): AsyncGenerator<TableRow> {
  const { parse } = await import('csv-parse') // loaded by the first table
  const { Readable } = await import('node:stream')
  const source = Readable.from(utf8Bytes(file, signal), { objectMode: false })
  // A character a byte, so that each row can be judged by itself: the library would put U+FFFD for what is no UTF-8.
  const bytes = { encoding: 'latin1', info: true, skip_empty_lines: true, max_record_size: MAX_ROW } as const
  const parser = parse({ ...dialect, ...bytes })
  source.on('error', (error) => parser.destroy(error))
  try {
    for await (const { record, info } of source.pipe(parser))
      yield { cells: cellsOf(record), line: info.lines }
  } catch (error) {
    if (error instanceof TongueforgeError || !isTableError(error)) throw error
    const problem = Buffer.from(error.message, 'latin1').toString()
    throw dataError(file, error.lines, `expected rows of a table: ${problem}`, 'Mend the row.')
  } finally {
    source.destroy()
  }
}

function cellsOf(record: readonly string[]): string[] | undefined {
  const cells = record.map((cell) => utf8Text(Buffer.from(cell, 'latin1')))
  return cells.includes(undefined) ? undefined : (cells as string[])
}

const isTableError = (error: unknown): error is Error & { lines: number } =>
  error instanceof Error && 'lines' in error

/** The bytes of a file without a mark of their order; of UTF-16, which spreadsheets write, as UTF-8. */
async function* utf8Bytes(file: string, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  let head: Buffer = Buffer.alloc(0)
  let wide: TextDecoder | undefined
  let begun = false
  const begin = () => {
    begun = true
    if (head[0] === 0xff && head[1] === 0xfe)
      wide = new TextDecoder('utf-16le', { fatal: true, ignoreBOM: true })
    return head.subarray(wide ? 2 : head.toString('latin1', 0, 3) === '\xef\xbb\xbf' ? 3 : 0)
  }
  const narrow = (bytes: Buffer, stream: boolean) => (wide ? narrowed(wide, bytes, { file, stream }) : bytes)
  for await (const chunk of chunksOf(file, signal)) {
    if (begun) yield narrow(chunk, true)
    else {
      head = Buffer.concat([head, chunk])
      if (head.length >= 3) yield narrow(begin(), true)
    }
  }
  const rest = begun ? Buffer.alloc(0) : begin()
  const last = narrow(rest, false)
  if (last.length > 0) yield last
}

function narrowed(
  decoder: TextDecoder,
  bytes: Buffer,
  { file, stream }: { file: string; stream: boolean },
): Buffer {
  try {
    return Buffer.from(decoder.decode(bytes, { stream }))
  } catch {
    throw new TongueforgeError(
      'ERR_DATA',
      `${file}: expected UTF-16 text, as it begins, received bytes that are not`,
      {
        hint: 'Convert it: iconv -f ENCODING -t UTF-8 FILE',
        details: { file },
      },
    )
  }
}
