/** The thread that decodes a Parquet file: a row group at a time, handed over in pieces as they are asked for. */
import { fstatSync, readSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import type { AsyncBuffer, FileMetaData } from 'hyparquet'
import { openRegularNow } from '../checkpoint/regular_file'
import { checkPages, type Pages } from './parquet_pages'
import type { JsonRecord } from './turns'

export interface ParquetTask {
  file: string
  /** Those of them that the file has are read; all where none is named. */
  columns: readonly string[]
}

/** An answer: records, null after the last one, or what is wrong with the file. */
export type ParquetPiece = { records: JsonRecord[] } | { end: true } | { problem: string; system?: string }

/** A row group is decoded whole; its columns that are read may have so many bytes. */
const MAX_GROUP = 2 ** 30
const RECORDS = 512
const CHARACTERS = 256 * 1024

async function* pieces({ file, columns }: ParquetTask): AsyncGenerator<JsonRecord[]> {
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
  const pages: Pages = { size: buffer.byteLength, slice: buffer.slice, header: parquetHeader }
  let rowStart = 0
  for (const group of metadata.row_groups) {
    checkSize(group, wanted)
    checkPages(group, wanted, pages)
    const rowEnd = rowStart + Number(group.num_rows)
    const range = { rowStart, rowEnd, columns: wanted, parsers: { stringFromBytes } }
    const { compressors } = await import('hyparquet-compressors') // not needed to refuse a head
    const rows = await parquetReadObjects({ file: buffer, metadata, compressors, ...range })
    if (rows.length !== rowEnd - rowStart)
      throw new Error(`expected ${rowEnd - rowStart} rows in a row group, found ${rows.length}`)
    yield* cut(rows)
    rowStart = rowEnd
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

// The library takes a U+FEFF off the beginning of a text: there it marks no byte order, and counts as any character.
const stringFromBytes = (bytes: Uint8Array | undefined) => bytes && decoder.decode(bytes)

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

function* cut(rows: JsonRecord[]): Generator<JsonRecord[]> {
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

async function next(iterator: AsyncGenerator<JsonRecord[]>): Promise<ParquetPiece> {
  try {
    const { value, done } = await iterator.next()
    return done ? { end: true } : { records: value }
  } catch (error) {
    const { message, code, syscall } = error as NodeJS.ErrnoException
    return { problem: message, ...(syscall !== undefined && code !== undefined && { system: code }) }
  }
}

void serve(workerData as ParquetTask)
