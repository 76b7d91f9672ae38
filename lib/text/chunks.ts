/** The bytes of a data file, unpacked where its name ends in .gz or .zst. */
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Decompress } from 'fzstd'
import { ioError } from '../checkpoint/json_file'
import { openRegular } from '../checkpoint/regular_file'
import { TongueforgeError } from '../errors'

/** Endings of compressed files, after that of the file within. */
export const COMPRESSIONS: readonly string[] = ['.gz', '.zst']

const CHUNK = 256 * 1024
/** A few bytes of zstd may unpack to 128 KB: so many bytes of it keep what comes of one step in bounds. */
const ZSTD_STEP = 4 * 1024

/**
 * Reads a file in pieces, unpacked. Every piece waits for the disk or another thread, so the event loop turns in
 * between. Throws ERR_NOT_FOUND, ERR_IO, ERR_DATA for damaged compression, `signal.reason` when aborted.
 */
export async function* chunksOf(file: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const source = (await openRegular(file)).stream({ highWaterMark: CHUNK })
  try {
    for await (const chunk of unpacked(file, source)) {
      signal?.throwIfAborted()
      yield chunk
    }
  } catch (error) {
    throw toldOf(file, error)
  } finally {
    source.destroy()
  }
}

function unpacked(file: string, source: Readable): AsyncIterable<Buffer> {
  if (file.endsWith('.zst')) return zstdChunks(source)
  if (!file.endsWith('.gz')) return source
  const gunzip = createGunzip({ chunkSize: CHUNK })
  source.on('error', (error) => gunzip.destroy(error))
  return source.pipe(gunzip)
}

async function* zstdChunks(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let made: Uint8Array[] = []
  const decompress = new Decompress((chunk) => made.push(chunk.slice()))
  const take = (bytes: Uint8Array, last: boolean) => {
    made = []
    try {
      decompress.push(bytes, last)
    } catch (cause) {
      throw new Unpacking((cause as Error).message, { cause })
    }
    return made.map((piece) => Buffer.from(piece.buffer, piece.byteOffset, piece.length))
  }
  for await (const chunk of source) {
    for (let i = 0; i < chunk.length; i += ZSTD_STEP) yield* take(chunk.subarray(i, i + ZSTD_STEP), false)
  }
  yield* take(new Uint8Array(0), true)
}

/** What the library for zstd says of bytes that are none. */
class Unpacking extends Error {}

function toldOf(file: string, error: unknown): unknown {
  const { syscall, code = '' } = error as NodeJS.ErrnoException
  if (syscall !== undefined) return ioError(file, error as NodeJS.ErrnoException)
  if (!(error instanceof Unpacking) && !code.startsWith('Z_')) return error
  return new TongueforgeError('ERR_DATA', `${file}: cannot be unpacked: ${(error as Error).message}`, {
    hint: 'Is the file complete? gzip -t or zstd -t tests it.',
    details: { file },
    cause: error,
  })
}
