import type { TongueforgeError } from '../errors'
import type { Message } from './chat_template'
import { readJsonRecords } from './json_records'
import { dataError, readLines } from './lines'
import { readParquetRecords } from './parquet_records'
import type { Preference } from './preference_records'
import {
  guessFormat,
  type JsonRecord,
  RECORD_FORMATS,
  RECORD_KEYS,
  type RecordFormat,
  readRecord,
} from './record_formats'
import { type Container, containerOf, listFiles } from './source_files'

/** Where a text file is cut into documents: at blank lines, at every line, or nowhere. */
export type Split = 'paragraph' | 'line' | 'file'

/** Files of training or evaluation data. */
export interface Source {
  /** A file, a folder, or a pattern such as data/*.jsonl. */
  path: string
  /** What a record of JSON or Parquet holds; guessed from a file's first records if absent. Plain text is always `text`. */
  format?: RecordFormat | undefined
  /** Key of the text in records of format `text` (default "text"). */
  field?: string | undefined
  /** For plain text (default paragraph). */
  split?: Split | undefined
}

/** A file with everything decided: what a plan shows. */
export interface ResolvedFile {
  path: string
  container: Container
  format: RecordFormat
  field: string
  split: Split
}

export interface ResolvedSource {
  path: string
  files: ResolvedFile[]
  /** Files in the folder, or that match the pattern, of kinds that are not read. */
  ignored: string[]
}

/** One text, one conversation or one preference, and where it came from. */
export type Document = ({ text: string } | { messages: Message[] } | Preference) & Place

export interface Place {
  file: string
  /** Where the record begins, from 1; in Parquet its row. */
  line: number
}

export interface ReadOptions {
  /** Called with what is wrong with a record, which is then left out; without it the first such record throws. */
  onInvalid?: ((error: Error) => void) | undefined
  signal?: AbortSignal | undefined
}

const RECORDS_TO_GUESS = 16
/** A document is encoded in one go and held in memory. */
const MAX_DOCUMENT = 64 * 2 ** 20

/**
 * Finds the files of a source and decides how each is read. Throws ERR_DATA if the kind of a file is unknown or its
 * first records fit no format, ERR_NOT_FOUND with what is there instead.
 */
export async function resolveSource(source: Source): Promise<ResolvedSource> {
  const { files, ignored } = await listFiles(source.path)
  const resolved: ResolvedFile[] = []
  for (const path of files) resolved.push(await resolveFile(path, source))
  return { path: source.path, files: resolved, ignored }
}

async function resolveFile(path: string, source: Source): Promise<ResolvedFile> {
  const { field = 'text', split = 'paragraph' } = source
  const container = containerOf(path)!
  if (container === 'plain') return { path, container, format: 'text', field, split }
  // Naming the field says that records hold text.
  const format = source.format ?? (source.field === undefined ? await guess(path, container) : 'text')
  return { path, container, format, field, split }
}

/**
 * Reads the documents of a source, streaming, in the order of its files. Blank ones are left out.
 * Throws ERR_DATA with file:line, ERR_NOT_FOUND, ERR_IO; `signal.reason` when aborted.
 */
export async function* readDocuments(
  source: Source | ResolvedSource,
  options: ReadOptions = {},
): AsyncGenerator<Document> {
  const { files } = 'files' in source ? source : await resolveSource(source)
  for (const file of files)
    yield* file.container === 'plain' ? plainDocuments(file, options) : recordDocuments(file, options)
}

/** `field` names the only key that is read; without one, all that some format knows are. */
function readRecords(path: string, container: Container, field: string | undefined, options: ReadOptions) {
  if (container === 'json') return readJsonRecords(path, options)
  return readParquetRecords(path, field === undefined ? RECORD_KEYS : [field], options)
}

async function guess(path: string, container: Container): Promise<RecordFormat> {
  const records: JsonRecord[] = []
  // What is wrong with a record is told by the reading, not by the guess.
  for await (const { record } of readRecords(path, container, undefined, { onInvalid: () => {} })) {
    records.push(record)
    if (records.length === RECORDS_TO_GUESS) break
  }
  const format = guessFormat(records)
  if (format) return format
  const found = records[0] ? `keys ${Object.keys(records[0]).slice(0, 8).join(', ')}` : 'no record'
  throw dataError(
    path,
    1,
    `expected records with a text or a conversation, found ${found}`,
    `Say which: format: ${RECORD_FORMATS.join(' | ')}, or field: NAME for the key of the text.`,
  )
}

/** Tells of a record that is then left out, or throws. */
function refuse(error: TongueforgeError, { onInvalid }: ReadOptions): void {
  if (!onInvalid) throw error
  onInvalid(error)
}

async function* recordDocuments(
  { path, container, format, field }: ResolvedFile,
  options: ReadOptions,
): AsyncGenerator<Document> {
  for await (const { record, line } of readRecords(
    path,
    container,
    format === 'text' ? field : undefined,
    options,
  )) {
    const content = readRecord(format, record, field)
    if ('problem' in content) {
      const hint = `The file is read as format: ${format}. Mend the record, or say another format.`
      refuse(dataError(path, line, content.problem, hint), options)
    } else if (!('text' in content) || content.text.trim() !== '') {
      yield { ...content, file: path, line }
    }
  }
}

async function* plainDocuments(
  { path, split }: ResolvedFile,
  options: ReadOptions,
): AsyncGenerator<Document> {
  let block: string[] = []
  let begun = 1
  let characters = 0
  const take = (): Document => {
    const text = block.join('\n').trimEnd()
    block = []
    characters = 0
    return { text, file: path, line: begun }
  }
  for await (const { text, number } of readLines(path, options)) {
    if (text.includes('\0')) {
      refuse(dataError(path, number, 'expected text, found a byte 0', 'This is a binary file.'), options)
      continue
    }
    const blank = text.trim() === ''
    if (blank && (split !== 'file' || block.length === 0)) {
      if (block.length > 0) yield take()
      continue
    }
    if (block.length === 0) begun = number
    block.push(text)
    characters += text.length + 1
    if (split === 'line') yield take()
    else if (characters > MAX_DOCUMENT) throw tooLong(path, begun, split)
  }
  if (block.length > 0) yield take()
}

function tooLong(path: string, line: number, split: Split): TongueforgeError {
  return dataError(
    path,
    line,
    `expected a document of at most ${MAX_DOCUMENT} characters, received a longer one`,
    split === 'file'
      ? 'Use split: paragraph or split: line.'
      : 'Use split: line, or put blank lines between documents.',
  )
}
