/** The thread that decodes a Parquet file: a row group at a time, handed over in pieces as they are asked for. */
import { fstatSync, readSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import type { AsyncBuffer, FileMetaData, SchemaTree } from 'hyparquet'
import { openRegularNow } from '../checkpoint/regular_file'
import { utf8Text } from './lines'
import { checkPages, type Pages } from './parquet_pages'
import type { JsonRecord } from './turns'

export interface ParquetTask {
  file: string
  /** Those of them that the file has are read; all where none is named. */
  columns: readonly string[]
}

/** An answer: records, or a column of one that is not UTF-8; that it was the last one; or what is wrong with the file. */
export type ParquetPiece =
  | { records: (JsonRecord | NotUtf8)[] }
  | { end: true }
  | { problem: string; system?: string }

/** Of a record that cannot be read: the column. */
export type NotUtf8 = string

/** A row group is decoded whole; its columns that are read may have so many bytes. */
const MAX_GROUP = 2 ** 30
const RECORDS = 512
const CHARACTERS = 256 * 1024

async function* pieces({ file, columns }: ParquetTask): AsyncGenerator<(JsonRecord | NotUtf8)[]> {
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import('hyparquet')
  const { parquetHeader } = await import('hyparquet/src/column.js')
  const buffer = fileBuffer(file)
  const metadata = await parquetMetadataAsync(buffer)
  const present = parquetSchema(metadata).children.map(({ element }) => element.name)
  const wanted = columns.length === 0 ? present : columns.filter((name) => present.includes(name))
  if (wanted.length === 0)
    throw new Error(
      `expected a column of ${columns.join(', ')}, found ${present.slice(0, 8).join(', ') || 'none'}`,
    )
  const binary = binaryColumns(parquetSchema(metadata))
  const pages: Pages = { size: buffer.byteLength, slice: buffer.slice, header: parquetHeader }
  let rowStart = 0
  for (const group of metadata.row_groups) {
    checkSize(group, wanted)
    checkPages(group, wanted, pages)
    const rowEnd = rowStart + Number(group.num_rows)
    const range = { rowStart, rowEnd, columns: wanted, parsers: { stringFromBytes, jsonFromBytes } }
    const { compressors } = await import('hyparquet-compressors') // not needed to refuse a head
    const rows = await parquetReadObjects({ file: buffer, metadata, compressors, ...range })
    if (rows.length !== rowEnd - rowStart)
      throw new Error(`expected ${rowEnd - rowStart} rows in a row group, found ${rows.length}`)
    yield* cut(rows.map((row) => judged(row, columns.length === 0 ? binary : [])))
    rowStart = rowEnd
  }
}

/** Stands for bytes that are not UTF-8: the library does not say in which row a text is. */
class NotText {
  constructor(readonly bytes: Uint8Array) {}
}

let met = false
function notText(bytes: Uint8Array): NotText {
  met = true
  return new NotText(bytes.slice())
}

// The library takes a U+FEFF off the beginning of a text: there it marks no byte order, and counts as any character.
const stringFromBytes = (bytes: Uint8Array | undefined) => bytes && (utf8Text(bytes) ?? notText(bytes))

function jsonFromBytes(bytes: Uint8Array | undefined): unknown {
  const text = stringFromBytes(bytes)
  return typeof text === 'string' ? JSON.parse(text) : text
}

/** Columns that may hold other bytes than text, images say: nothing in the file calls all of them texts. */
function binaryColumns({ children }: SchemaTree): string[] {
  const isBinary = ({ element, children }: SchemaTree): boolean =>
    children.some(isBinary) ||
    (element.type === 'BYTE_ARRAY' &&
      element.converted_type === undefined &&
      element.logical_type === undefined)
  return children.filter(isBinary).map(({ element }) => element.name)
}

/** A row, or its first column with bytes that are not UTF-8; in the columns of `binary` such bytes are let be. */
function judged(row: JsonRecord, binary: readonly string[]): JsonRecord | NotUtf8 {
  if (!met) return row
  for (const [column, value] of Object.entries(row)) {
    if (!holdsNotText(value)) continue
    if (!binary.includes(column)) return column
    row[column] = asText(value)
  }
  return row
}

const isPlain = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)

const holdsNotText = (value: unknown): boolean =>
  value instanceof NotText || (isPlain(value) && Object.values(value).some(holdsNotText))

function asText(value: unknown): unknown {
  if (value instanceof NotText) return Buffer.from(value.bytes).toString()
  if (Array.isArray(value)) return value.map(asText)
  if (!isPlain(value) || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, asText(inner)]))
}

function checkSize(group: FileMetaData['row_groups'][number], columns: readonly string[]): void {
  let bytes = 0
  for (const { meta_data } of group.columns) {
    if (meta_data && columns.includes(meta_data.path_in_schema[0]!))
      bytes += Number(meta_data.total_uncompressed_size)
  }
  if (bytes > MAX_GROUP)
    throw new Error(
      `expected row groups of at most ${MAX_GROUP} bytes, received one of ${bytes}; write it with a smaller row_group_size`,
    )
}

function* cut(rows: (JsonRecord | NotUtf8)[]): Generator<(JsonRecord | NotUtf8)[]> {
  let start = 0
  let characters = 0
  for (let i = 0; i < rows.length; i++) {
    characters += sizeOf(rows[i])
    if (characters < CHARACTERS && i + 1 - start < RECORDS && i + 1 < rows.length) continue
    yield rows.slice(start, i + 1)
    start = i + 1
    characters = 0
  }
}

/** Characters of a value, those of lists and records within included. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce((sum: number, part) => sum + sizeOf(part), 1)
}

/** Reads at once: this thread has nothing else to do. A file that ends early is an error, not a shorter answer. */
function fileBuffer(file: string): AsyncBuffer & Pick<Pages, 'slice'> {
  const descriptor = openRegularNow(file)
  const { size } = fstatSync(descriptor)
  return {
    byteLength: size,
    slice(start: number, end = size) {
      const bytes = new Uint8Array(Math.max(Math.min(end, size) - start, 0))
      for (let done = 0; done < bytes.length; ) {
        const read = readSync(descriptor, bytes, done, bytes.length - done, start + done)
        if (read === 0) throw new Error('the file became shorter while it was read')
        done += read
      }
      return bytes.buffer
    },
  }
}

async function serve(task: ParquetTask): Promise<void> {
  const iterator = pieces(task)
  parentPort!.on('message', async () => parentPort!.postMessage(await next(iterator)))
}

async function next(iterator: ReturnType<typeof pieces>): Promise<ParquetPiece> {
  try {
    const { value, done } = await iterator.next()
    return done ? { end: true } : { records: value }
  } catch (error) {
    const { message, code, syscall } = error as NodeJS.ErrnoException
    return { problem: message, ...(syscall !== undefined && code !== undefined && { system: code }) }
  }
}

void serve(workerData as ParquetTask)
