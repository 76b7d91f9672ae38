/** Where a model comes from: enough to make it again, and to notice that an input has changed. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { VERSION } from '../version'
import { ioError } from './json_file'

export interface FileRecord {
  name: string
  /** After links: hub caches are made of links. */
  real_path: string
  bytes: number
  sha256: string
}

export interface InputRecord {
  /** What the input is to the verb: target, base, chat, model, data... */
  role: string
  path: string
  files: FileRecord[]
}

export interface Provenance {
  tool: 'tongueforge'
  tool_version: string
  /** libtorch and the numerics that decide the bits. */
  numerics: Record<string, string | number | boolean>
  verb: string
  created: string
  inputs: InputRecord[]
}

/** SHA-256 of a file in hexadecimal, read in pieces of 1 MB that each take well under a millisecond. */
export async function sha256(file: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) {
    signal?.throwIfAborted() // the stream itself would throw an error of its own instead of the reason
    hash.update(piece as Buffer)
  }
  return hash.digest('hex')
}

/** Records the named files of a folder, or a single file where `names` is empty. Throws ERR_NOT_FOUND, ERR_IO. */
export async function recordInput(
  role: string,
  path: string,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<InputRecord> {
  const files: FileRecord[] = []
  for (const name of names.length > 0 ? names : ['']) {
    const file = join(path, name)
    try {
      const real = await realpath(file)
      const { size } = await stat(real)
      files.push({ name: name || path, real_path: real, bytes: size, sha256: await sha256(real, signal) })
    } catch (error) {
      signal?.throwIfAborted()
      throw ioError(file, error as NodeJS.ErrnoException)
    }
  }
  return { role, path, files }
}

export function provenance(
  verb: string,
  inputs: InputRecord[],
  numerics: Provenance['numerics'],
): Provenance {
  return {
    tool: 'tongueforge',
    tool_version: VERSION,
    numerics,
    verb,
    created: new Date().toISOString(),
    inputs,
  }
}
