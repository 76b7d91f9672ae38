/** Where a model comes from: enough to make it again, and to notice that an input has changed. */
import { join } from 'node:path'
import { z } from 'zod'
import { TongueforgeError } from '../errors'
import { realpath, stat } from '../files'
import { runJob } from '../native'
import { hashFile } from '../text/cache/file_hash'
import { dataCacheFolder } from '../text/cache/place'
import { VERSION } from '../version'
import { sha256 } from './hashing'
import { ioError, readJsonObjectIfPresent } from './json_file'
import type { ModelFolder } from './model_folder'

export interface FileRecord {
  /** In its folder. */
  name: string
  /** After links: hub caches are made of links. */
  real_path: string
  /** Its size. */
  bytes: number
  /** Of its content. */
  sha256: string
}

export interface InputRecord {
  /** What the input is to the verb: target, base, chat, model, data... */
  role: string
  /** The folder or file that was given. */
  path: string
  /** That were read. */
  files: FileRecord[]
}

/** What made a model folder of what, as provenance.json has it. */
export interface Provenance {
  /** What made it. */
  tool: 'tongueforge'
  /** Version of tongueforge. */
  tool_version: string
  /** libtorch and the numerics that decide the bits. */
  numerics: Record<string, string | number | boolean>
  /** The command. */
  verb: string
  /** When, ISO 8601. */
  created: string
  /** All that it was made of. */
  inputs: InputRecord[]
}

/** Records the named files of a folder, or a single file where `names` is empty. Throws ERR_NOT_FOUND, ERR_IO. */
export async function recordInput(
  role: string,
  path: string,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<InputRecord> {
  const all = names.length > 0 ? names : ['']
  const files = await Promise.all(all.map((name) => recordFile(join(path, name), name || path, signal)))
  return { role, path, files }
}

async function recordFile(file: string, name: string, signal?: AbortSignal): Promise<FileRecord> {
  try {
    const real_path = await realpath(file)
    const { size } = await stat(real_path)
    return { name, real_path, bytes: size, sha256: await hashOf(real_path, size, signal) }
  } catch (error) {
    signal?.throwIfAborted()
    throw ioError(file, error as NodeJS.ErrnoException)
  }
}

/** Weights of this size are not hashed again for every merge: their hash is remembered as long as they do not change. */
const REMEMBERED = 64 << 20

async function hashOf(file: string, size: number, signal?: AbortSignal): Promise<string> {
  if (size < REMEMBERED) return sha256(file, signal)
  return (await hashFile(file, dataCacheFolder(), signal)).sha256
}

/** Records the weights of a model folder, its config and its tokenizer. Throws ERR_NOT_FOUND, ERR_IO. */
export async function recordModel(
  role: string,
  folder: ModelFolder,
  signal?: AbortSignal,
): Promise<InputRecord> {
  const { files } = await runJob('inspectWeights', { folder: folder.path, scan: false })
  const texts = folder.auxiliaryFiles.filter((name) => name === 'config.json' || name === 'tokenizer.json')
  return recordInput(role, folder.path, [...files.map(({ name }) => name), ...texts], signal)
}

const record = z.object({
  role: z.string(),
  path: z.string(),
  files: z.array(
    z.object({ name: z.string(), real_path: z.string(), bytes: z.number(), sha256: z.string() }),
  ),
})
const written = z.object({
  tool: z.literal('tongueforge'),
  tool_version: z.string(),
  verb: z.string(),
  inputs: z.array(record),
})

/** What provenance.json of a model folder says. Throws ERR_NOT_FOUND where there is none, ERR_DATA for another one. */
export async function readProvenance(
  folder: string,
): Promise<Pick<Provenance, 'tool_version' | 'verb' | 'inputs'>> {
  const file = join(folder, 'provenance.json')
  const content = await readJsonObjectIfPresent(file, { code: 'ERR_DATA' })
  if (content === undefined) {
    throw new TongueforgeError('ERR_NOT_FOUND', `${folder}: expected provenance.json, found none`, {
      hint: 'Give a folder that tongueforge wrote.',
      details: { file },
    })
  }
  const { success, data, error } = written.safeParse(content)
  if (success) return data
  const key = error.issues[0]!.path.join('.')
  throw new TongueforgeError('ERR_DATA', `${file}: ${key}: ${error.issues[0]!.message}`, {
    hint: 'Give a folder that tongueforge wrote.',
    details: { file, key },
  })
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
