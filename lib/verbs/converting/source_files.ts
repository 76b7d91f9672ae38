/** Which files a conversion reads. */
import { basename, dirname, join, resolve } from 'node:path'
import { TongueforgeError } from '../../errors'
import { readdir, stat } from '../../files'
import { runJob, type ShardIndexContent } from '../../native'

export const SINGLE = 'pytorch_model.bin'
export const INDEX = 'pytorch_model.bin.index.json'

export interface SourceFiles {
  folder: string
  /** Names in it, the index not among them. */
  names: string[]
  /** Of shards. */
  index?: ShardIndexContent & { name: string }
}

/** A file, an index of shards, or a folder with one of both. Throws ERR_NOT_FOUND, ERR_SHARD_INDEX. */
export async function sourceFiles(given: string, signal?: AbortSignal): Promise<SourceFiles> {
  const path = resolve(given)
  const entry = await stat(path).catch(() => undefined)
  if (entry === undefined) throw notFound(given, `${given}: there is no such file`, 'Check the path.')
  if (entry.isDirectory()) return inFolder(given, path, signal)
  if (path.endsWith('.index.json')) return sharded(dirname(path), basename(path), signal)
  return { folder: dirname(path), names: [basename(path)] }
}

async function inFolder(given: string, folder: string, signal?: AbortSignal): Promise<SourceFiles> {
  const names = (await readdir(folder)).sort()
  if (names.includes(SINGLE)) return { folder, names: [SINGLE] }
  if (names.includes(INDEX)) return sharded(folder, INDEX, signal)
  const done = names.some((name) => name.endsWith('.safetensors'))
  throw notFound(
    given,
    `${given}: expected ${SINGLE} or ${INDEX}, found ${names.slice(0, 8).join(', ') || 'nothing'}`,
    done ? 'Its weights are safetensors: use the folder as it is.' : 'Give the file itself.',
  )
}

async function sharded(folder: string, name: string, signal?: AbortSignal): Promise<SourceFiles> {
  const index = await runJob('readShardIndex', { path: join(folder, name), extension: '.bin' }, { signal })
  return { folder, names: index.files, index: { ...index, name } }
}

const notFound = (given: string, message: string, hint: string) =>
  new TongueforgeError('ERR_NOT_FOUND', message, { hint, details: { file: given } })
