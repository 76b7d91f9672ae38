import { TongueforgeError } from '../errors'
import { chunksOf } from './chunks'

export interface Line {
  text: string
  /** Number of the line in its file, from 1. */
  number: number
  /** False for a last line without a newline: perhaps a file that was cut off. */
  complete: boolean
}

export interface LineOptions {
  /** Longest accepted line in bytes (default 64 MiB): a file without newlines must not fill the memory. */
  maxBytes?: number
  /** Called with what is wrong with a line, which is then left out; without it the first such line throws. */
  onInvalid?: ((error: Error) => void) | undefined
  signal?: AbortSignal | undefined
}

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d

/**
 * Reads the lines of a UTF-8 text file, streaming. A byte order mark and the carriage returns of Windows are taken
 * off. Throws ERR_NOT_FOUND, ERR_IO, or ERR_DATA with file:line for bytes that are not UTF-8 or a line that is too long.
 */
export async function* readLines(
  file: string,
  { maxBytes = 64 * 2 ** 20, onInvalid, signal }: LineOptions = {},
): AsyncGenerator<Line> {
  let parts: Buffer[] = []
  let length = 0
  let number = 0
  const take = (last: Buffer, complete: boolean): Line[] => {
    const bytes = parts.length === 0 ? last : Buffer.concat([...parts, last])
    parts = []
    length = 0
    number += 1
    const text = decodeLine(bytes, number)
    if (text !== undefined) return [{ text, number, complete }]
    const error = notUtf8(file, number)
    if (!onInvalid) throw error
    onInvalid(error)
    return []
  }
  for await (const chunk of chunksOf(file, signal)) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      yield* take(chunk.subarray(start, end), true)
      start = end + 1
    }
    parts.push(chunk.subarray(start))
    length += chunk.length - start
    if (length > maxBytes) throw tooLong(file, number + 1, maxBytes)
  }
  if (length > 0) yield* take(Buffer.alloc(0), false)
}

/** An error at a place in a data file. */
export function dataError(file: string, line: number, message: string, hint?: string): TongueforgeError {
  return new TongueforgeError('ERR_DATA', `${file}:${line}: ${message}`, { hint, details: { file, line } })
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What bytes say as UTF-8; undefined where they are none. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

function decodeLine(bytes: Buffer, number: number): string | undefined {
  const end =
    bytes.length > 0 && bytes[bytes.length - 1] === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length
  const text = utf8Text(bytes.subarray(0, end))
  return number === 1 && text?.startsWith('\uFEFF') ? text.slice(1) : text
}

/** `place`: where in the line, as ` in COLUMN`. */
export function notUtf8(file: string, line: number, place = ''): TongueforgeError {
  const hint = 'Convert it: iconv -f ENCODING -t UTF-8 FILE'
  return dataError(file, line, `expected UTF-8 text${place}, received bytes that are not`, hint)
}

function tooLong(file: string, line: number, maxBytes: number): TongueforgeError {
  return dataError(
    file,
    line,
    `expected a line of at most ${maxBytes} bytes, received a longer one`,
    'Put one record or paragraph on a line.',
  )
}
