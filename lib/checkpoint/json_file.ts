import { TongueforgeError } from '../errors'
import { jsonProblem } from './json_text'
import { openRegular } from './regular_file'

/** A JSON object as it came from a file: every value still unchecked. */
export type JsonObject = Record<string, unknown>

export interface JsonFileOptions {
  /** Code of the error for a file that is too big, not UTF-8 or not a JSON object. */
  code: string
  /** Largest accepted size in bytes; a configuration file is a few kilobytes. */
  maxBytes?: number
}

const MEBIBYTE = 1024 * 1024

/**
 * Reads a text file that came from someone else: size capped, strict UTF-8, a leading byte order mark dropped.
 * Throws ERR_NOT_FOUND, ERR_IO, or `code` with the file and the reason.
 */
export async function readTextFile(
  file: string,
  { code, maxBytes = 4 * MEBIBYTE }: JsonFileOptions,
): Promise<string> {
  return strictText(await readCapped(file, maxBytes, code), file, code)
}

/** Strict, a leading byte order mark dropped. Throws `code` for other bytes, and what Node says of a text too long for it. */
export function strictText(bytes: Uint8Array, file: string, code: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw new TongueforgeError(code, `${file}: expected UTF-8 text, received bytes that are not`, {
      hint: 'Download the file again, or save it as UTF-8: iconv -f ENCODING -t UTF-8 FILE',
      details: { file },
      cause,
    })
  }
}

/**
 * Reads a JSON file whose top level is an object. A key that stands twice in an object is refused: of two programs one
 * might take the first. A key named `__proto__` is dropped wherever it stands: nothing in a configuration needs it, and
 * code that copies keys must not meet it.
 */
export async function readJsonObject(file: string, options: JsonFileOptions): Promise<JsonObject> {
  const text = await readTextFile(file, options)
  const value = parseJson(text, file, options.code)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw new TongueforgeError(
    options.code,
    `${file}: expected a JSON object, received ${describeValue(value)}`,
    {
      hint: 'Compare it with the file that the model was published with.',
      details: { file },
    },
  )
}

/** As readJsonObject, but a missing file is `undefined`: for the files that a model folder may lack. */
export async function readJsonObjectIfPresent(
  file: string,
  options: JsonFileOptions,
): Promise<JsonObject | undefined> {
  return ifPresent(readJsonObject(file, options))
}

/** As readTextFile, but a missing file is `undefined`. */
export async function readTextFileIfPresent(
  file: string,
  options: JsonFileOptions,
): Promise<string | undefined> {
  return ifPresent(readTextFile(file, options))
}

/** Shows a value in an error message: as JSON, cut to a readable length. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value))
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`
}

async function ifPresent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof TongueforgeError && error.code === 'ERR_NOT_FOUND') return undefined
    throw error
  }
}

async function readCapped(file: string, maxBytes: number, code: string): Promise<Buffer> {
  const opened = await openRegular(file)
  try {
    const { size } = await opened.stat()
    // No more than it was found to have: a file that grows meanwhile, or one of /proc, does not fill the memory.
    if (size <= maxBytes) return await opened.head(size)
    throw new TongueforgeError(code, `${file}: expected at most ${maxBytes} bytes, received ${size}`, {
      hint: 'This is no file of the kind that its name promises. Download it again.',
      details: { file, size, limit: maxBytes },
    })
  } catch (error) {
    throw error instanceof TongueforgeError ? error : ioError(file, error as NodeJS.ErrnoException)
  } finally {
    await opened.close()
  }
}

/** An error of the operating system, told with the file: ERR_NOT_FOUND for a missing one, else ERR_IO. */
export function ioError(file: string, cause: NodeJS.ErrnoException): TongueforgeError {
  if (cause instanceof TongueforgeError) return cause
  const missing = cause.code === 'ENOENT' || cause.code === 'ENOTDIR'
  const message = missing
    ? `${file}: no such file`
    : `${file}: cannot be read (${cause.code ?? cause.message})`
  return new TongueforgeError(missing ? 'ERR_NOT_FOUND' : 'ERR_IO', message, {
    hint: missing ? 'Check the path.' : 'Check that it is a readable file.',
    details: { file, errno: cause.code },
    cause,
  })
}

/** Only where it may stand: a reviver makes the parsing several times slower, and cannot go deep. */
const MAY_HOLD_PROTO = /__proto__|\\u005[fF]/

function parseJson(text: string, file: string, code: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    refuseProblem(text, file, code)
    if (!MAY_HOLD_PROTO.test(text)) return value
    return JSON.parse(text, (key, part) => (key === '__proto__' ? undefined : part))
  } catch (cause) {
    if (cause instanceof TongueforgeError) throw cause
    throw new TongueforgeError(
      code,
      `${file}: expected JSON, received text that is not: ${(cause as Error).message}`,
      {
        hint: 'Download the file again, or mend it at that place.',
        details: { file },
        cause,
      },
    )
  }
}

function refuseProblem(text: string, file: string, code: string): void {
  const found = jsonProblem(text)
  if (!found) return
  throw new TongueforgeError(code, `${file}:${found.line}: ${found.problem}`, {
    hint: 'Download the file again, or mend it at that place.',
    details: { file, line: found.line },
  })
}
