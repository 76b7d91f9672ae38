import { TongueforgeError } from '../errors'
import { chunksOf } from './chunks'
import { dataError, notUtf8, readLines, utf8Text } from './lines'
import type { JsonRecord } from './record_formats'

export interface NumberedRecord {
  record: JsonRecord
  /** Line in the file where the record begins, from 1. */
  line: number
}

export interface RecordOptions {
  /** Called with what is wrong with a record, which is then left out; without it the first such record throws. */
  onInvalid?: ((error: Error) => void) | undefined
  signal?: AbortSignal | undefined
}

/**
 * Reads the records of a file of JSON lines, or of one JSON array of objects, streaming.
 * Throws ERR_DATA with file:line for anything that is not an object.
 */
export async function* readJsonRecords(
  file: string,
  options: RecordOptions = {},
): AsyncGenerator<NumberedRecord> {
  const pieces = (await beginsArray(file)) ? arrayElements(file, options.signal) : jsonLines(file, options)
  for await (const piece of pieces) {
    const parsed = piece.text === undefined ? notUtf8(file, piece.line) : parsedPiece(file, piece, piece.text)
    if (!(parsed instanceof TongueforgeError)) yield { record: parsed, line: piece.line }
    else if (options.onInvalid) options.onInvalid(parsed)
    else throw parsed
  }
}

function parsedPiece(file: string, { line, complete }: Piece, text: string): JsonRecord | TongueforgeError {
  const parsed = parseRecord(text)
  if (typeof parsed === 'object') return parsed
  const reason = complete ? parsed : `${parsed}; the file ends within it, so it was perhaps cut off`
  return dataError(file, line, `expected a JSON object, ${reason}`, 'Mend or remove the record.')
}

interface Piece {
  /** undefined: not UTF-8. */
  text: string | undefined
  line: number
  complete: boolean
}

/** A record, or what the text is instead. */
function parseRecord(text: string): JsonRecord | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return `received text that is not JSON (${(error as Error).message})`
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    // A copy without prototype: no key of the data, such as __proto__, can mean anything but itself.
    return Object.assign(Object.create(null), value)
  }
  return `received ${Array.isArray(value) ? 'a list' : value === null ? 'null' : `a ${typeof value}`}`
}

async function* jsonLines(file: string, options: RecordOptions): AsyncGenerator<Piece> {
  for await (const { text, number, complete } of readLines(file, options)) {
    if (text.trim() !== '') yield { text, line: number, complete }
  }
}

async function beginsArray(file: string): Promise<boolean> {
  for await (const chunk of chunksOf(file)) {
    const text = chunk
      .toString('utf8')
      .replace(/^\uFEFF/, '')
      .trimStart()
    if (text !== '') return text.startsWith('[')
  }
  return false
}

/** The elements of the array that a file consists of, each cut out by following brackets and quotes. */
async function* arrayElements(file: string, signal?: AbortSignal): AsyncGenerator<Piece> {
  const scanner = new ArrayScanner(file)
  for await (const chunk of chunksOf(file, signal)) yield* scanner.feed(chunk.toString('latin1'))
  yield* scanner.finish()
}

/** Bytes. */
const MAX_ELEMENT = 64 * 2 ** 20

/**
 * Works on bytes, a character each: brackets, quotes and blanks of JSON are never a part of another character in UTF-8,
 * and each element is judged by itself.
 */
class ArrayScanner {
  private newlines = 0
  private depth = 0
  private closed = false
  private inString = false
  /** Of the list itself. */
  private afterComma = false
  private escaped = false
  private element = ''
  /** Line where the element begins; 0 between elements. */
  private begun = 0

  constructor(private readonly file: string) {}

  /** Takes the next bytes of the file; gives the elements that end in it. */
  *feed(text: string): Generator<Piece> {
    let start = 0
    for (let i = 0; i < text.length; i++) {
      const character = text[i]!
      if (this.inString) this.followString(character)
      else if (this.closed && character.trim() !== '') throw this.moreAfterTheEnd()
      else if (character === '[' || character === '{') {
        this.begin()
        if (++this.depth === 1) start = i + 1
      } else if (character === ',' || character === ']' || character === '}') {
        if (this.depth === 1) {
          this.element += text.slice(start, i)
          start = i + 1
          if (this.begun > 0) yield this.cut(true)
          else if (character === ',' || this.afterComma) throw this.nothingThere(character)
          this.afterComma = character === ','
        }
        if (character !== ',') this.closed = --this.depth === 0
      } else if (character.trim() !== '') {
        this.begin()
        this.inString = character === '"'
      }
      if (character === '\n') this.newlines++
    }
    if (this.depth > 0) this.element += text.slice(start)
    if (this.element.length > MAX_ELEMENT) {
      throw dataError(
        this.file,
        this.begun,
        `expected a record of at most ${MAX_ELEMENT} bytes, received a longer one`,
      )
    }
  }

  /** At the end of the file: what is left of an element that the file breaks off. */
  *finish(): Generator<Piece> {
    if (this.depth === 0) return
    if (this.begun > 0) yield this.cut(false)
    throw dataError(
      this.file,
      this.newlines + 1,
      'expected "]" at the end of the list, found the end of the file',
      'The file was perhaps cut off.',
    )
  }

  private begin(): void {
    if (this.depth > 0 && this.begun === 0) this.begun = this.newlines + 1
  }

  private nothingThere(found: string): Error {
    return dataError(
      this.file,
      this.newlines + 1,
      `expected a record before "${found}", found none`,
      'Put one comma between records, and none behind the last.',
    )
  }

  private moreAfterTheEnd(): Error {
    return dataError(
      this.file,
      this.newlines + 1,
      'expected nothing after the list, found more',
      'Put one list in a file, or one record on a line.',
    )
  }

  private cut(complete: boolean): Piece {
    const text = utf8Text(Buffer.from(this.element, 'latin1'))?.trim()
    const piece = { text, line: this.begun, complete }
    this.element = ''
    this.begun = 0
    return piece
  }

  private followString(character: string): void {
    if (this.escaped) this.escaped = false
    else if (character === '\\') this.escaped = true
    else if (character === '"') this.inString = false
  }
}
