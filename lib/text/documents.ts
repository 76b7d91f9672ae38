import { extname } from 'node:path'
import { TongueforgeError } from '../errors'
import type { Message } from './chat_template'
import { readJsonRecords } from './json_records'
import { dataError, readLines } from './lines'
import type { Preference } from './preference_records'
import { guessFormat, type JsonRecord, RECORD_FORMATS, type RecordFormat, readRecord } from './record_formats'

/** Where a text file is cut into documents: at blank lines, at every line, or nowhere. */
export type Split = 'paragraph' | 'line' | 'file'

/** A file of training or evaluation data. */
export interface Source {
  path: string
  /** What a record of a JSON file holds; guessed from the first records if absent. Plain text is always `text`. */
  format?: RecordFormat | undefined
  /** Key of the text in records of format `text` (default "text"). */
  field?: string | undefined
  /** For plain text (default paragraph). */
  split?: Split | undefined
}

/** A source with everything decided: what a plan shows. */
export interface ResolvedSource {
  path: string
  container: 'plain' | 'json'
  format: RecordFormat
  field: string
  split: Split
}

/** One text, one conversation or one preference, and where it came from. */
export type Document = ({ text: string } | { messages: Message[] } | Preference) & Place

export interface Place {
  file: string
  /** Where the record begins, from 1. */
  line: number
}

export interface ReadOptions {
  /** Called with what is wrong with a record, which is then left out; without it the first such record throws. */
  onInvalid?: ((error: Error) => void) | undefined
  signal?: AbortSignal | undefined
}

const PLAIN = new Set(['.txt', '.text', '.md'])
const JSON_FILES = new Set(['.jsonl', '.ndjson', '.json'])
const RECORDS_TO_GUESS = 16
/** A document is encoded in one go and held in memory. */
const MAX_DOCUMENT = 64 * 2 ** 20

/**
 * Decides how a source is read: plain text (.txt, .text, .md) or JSON (.jsonl, .ndjson, .json), and what a record
 * holds. Throws ERR_DATA if the file's kind is unknown or its first records fit no format, ERR_NOT_FOUND.
 */
export async function resolveSource(source: Source): Promise<ResolvedSource> {
  const { path, field = 'text', split = 'paragraph' } = source
  const extension = extname(path).toLowerCase()
  if (PLAIN.has(extension)) return { path, container: 'plain', format: 'text', field, split }
  if (!JSON_FILES.has(extension)) {
    throw new TongueforgeError(
      'ERR_DATA',
      `${path}: expected a file that ends in ${[...PLAIN, ...JSON_FILES].join(', ')}`,
      {
        hint: 'Convert it to JSON lines with a key "text" or "messages".',
        details: { file: path },
      },
    )
  }
  // Naming the field says that records hold text.
  const format = source.format ?? (source.field === undefined ? await guess(path) : 'text')
  return { path, container: 'json', format, field, split }
}

/**
 * Reads the documents of a source, streaming, in the order of the file. Blank ones are left out.
 * Throws ERR_DATA with file:line, ERR_NOT_FOUND, ERR_IO; `signal.reason` when aborted.
 */
export async function* readDocuments(
  source: Source | ResolvedSource,
  options: ReadOptions = {},
): AsyncGenerator<Document> {
  const resolved = 'container' in source ? source : await resolveSource(source)
  yield* resolved.container === 'plain' ? plainDocuments(resolved, options) : jsonDocuments(resolved, options)
}

async function guess(path: string): Promise<RecordFormat> {
  const records: JsonRecord[] = []
  // What is wrong with a record is told by the reading, not by the guess.
  for await (const { record } of readJsonRecords(path, { onInvalid: () => {} })) {
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

async function* jsonDocuments(
  { path, format, field }: ResolvedSource,
  options: ReadOptions,
): AsyncGenerator<Document> {
  for await (const { record, line } of readJsonRecords(path, options)) {
    const content = readRecord(format, record, field)
    if ('problem' in content) {
      const error = dataError(
        path,
        line,
        content.problem,
        `The file is read as format: ${format}. Mend the record, or say another format.`,
      )
      if (!options.onInvalid) throw error
      options.onInvalid(error)
    } else if (!('text' in content) || content.text.trim() !== '') {
      yield { ...content, file: path, line }
    }
  }
}

async function* plainDocuments(
  { path, split }: ResolvedSource,
  { signal }: ReadOptions,
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
  for await (const { text, number } of readLines(path, { signal })) {
    if (text.includes('\0'))
      throw dataError(path, number, 'expected text, found a byte 0', 'This is a binary file.')
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
