import { createReadStream } from 'node:fs'
import { ioError } from '../checkpoint/json_file'
import { TongueforgeError } from '../errors'

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
  { maxBytes = 64 * 2 ** 20, signal }: LineOptions = {},
): AsyncGenerator<Line> {
  let parts: Buffer[] = []
  let length = 0
  let number = 0
  const take = (last: Buffer, complete: boolean): Line => {
    const bytes = parts.length === 0 ? last : Buffer.concat([...parts, last])
    parts = []
    length = 0
    number += 1
    return { text: decodeLine(bytes, file, number), number, complete }
  }
  for await (const chunk of chunksOf(file, signal)) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      yield take(chunk.subarray(start, end), true)
      start = end + 1
    }
    parts.push(chunk.subarray(start))
    length += chunk.length - start
    if (length > maxBytes) throw tooLong(file, number + 1, maxBytes)
  }
  if (length > 0) yield take(Buffer.alloc(0), false)
}

/** The bytes of a file; every chunk waits for the disk, so the event loop turns in between. */
export async function* chunksOf(file: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 })) {
      signal?.throwIfAborted()
      yield chunk as Buffer
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall !== undefined)
      throw ioError(file, error as NodeJS.ErrnoException)
    throw error
  }
}

/** An error at a place in a data file. */
export function dataError(file: string, line: number, message: string, hint?: string): TongueforgeError {
  return new TongueforgeError('ERR_DATA', `${file}:${line}: ${message}`, { hint, details: { file, line } })
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeLine(bytes: Buffer, file: string, number: number): string {
  const end =
    bytes.length > 0 && bytes[bytes.length - 1] === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length
  try {
    const text = decoder.decode(bytes.subarray(0, end))
    return number === 1 && text.startsWith('\uFEFF') ? text.slice(1) : text
  } catch {
    throw dataError(
      file,
      number,
      'expected UTF-8 text, received bytes that are not',
      'Convert it: iconv -f ENCODING -t UTF-8 FILE',
    )
  }
}

function tooLong(file: string, line: number, maxBytes: number): TongueforgeError {
  return dataError(
    file,
    line,
    `expected a line of at most ${maxBytes} bytes, received a longer one`,
    'Put one record or paragraph on a line.',
  )
}
