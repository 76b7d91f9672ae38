/** Where a model comes from: enough to make it again, and to notice that an input has changed. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import { TongueforgeError } from '../errors'
import { runJob } from '../native'
import { VERSION } from '../version'
import { ioError, readJsonObjectIfPresent } from './json_file'
import type { ModelFolder } from './model_folder'

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

/** What is read in less time than a thread needs to start. */
const SMALL = 16 << 20

/** SHA-256 of a file in hexadecimal; of a large one on a thread of its own. */
export async function sha256(file: string, signal?: AbortSignal): Promise<string> {
  if ((await stat(file)).size > SMALL) return hashOnThread(file, signal)
  const hash = createHash('sha256')
  for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) {
    signal?.throwIfAborted() // the stream itself would throw an error of its own instead of the reason
    hash.update(piece as Buffer)
  }
  return hash.digest('hex')
}

async function hashOnThread(file: string, signal?: AbortSignal): Promise<string> {
  signal?.throwIfAborted()
  const worker = new Worker(join(__dirname, 'hash_worker.js'), { workerData: file })
  const stop = () => void worker.terminate()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await new Promise<string>((resolve, reject) => {
      worker.once('message', resolve).once('error', reject)
      worker.once('exit', () => reject(signal?.reason ?? new Error('the hashing thread has ended')))
    })
  } finally {
    signal?.removeEventListener('abort', stop)
  }
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
