/** From a path in a config to files: a file, a folder with all that lies in it, or a pattern such as data/*.jsonl. */
import { readdir, stat } from 'node:fs/promises'
import { dirname, extname, isAbsolute, join } from 'node:path'
import { glob, isDynamicPattern } from 'tinyglobby'
import { TongueforgeError } from '../errors'
import { COMPRESSIONS } from './chunks'

export type Container = 'plain' | 'json' | 'parquet'

const CONTAINERS: Readonly<Record<string, Container>> = {
  '.txt': 'plain',
  '.text': 'plain',
  '.md': 'plain',
  '.jsonl': 'json',
  '.ndjson': 'json',
  '.json': 'json',
  '.parquet': 'parquet',
}
/** Files that a hint names. */
const NAMED = 8

export interface SourceFiles {
  files: string[]
  /** Other files that lie there, of kinds that hold no data that we read. */
  ignored: string[]
}

/** What a file holds, by the end of its name; undefined for a kind that is not read. */
export function containerOf(file: string): Container | undefined {
  const packed = COMPRESSIONS.find((ending) => file.endsWith(ending)) ?? ''
  const container = CONTAINERS[extname(file.slice(0, file.length - packed.length)).toLowerCase()]
  // Parquet compresses its own pages.
  return packed !== '' && container === 'parquet' ? undefined : container
}

/**
 * The data files of a path, in the order of their names, so that every machine reads them alike. Folders are searched
 * to their depth; what begins with a dot is passed over. Throws ERR_NOT_FOUND, with what is there instead, and ERR_DATA
 * for a file of another kind.
 */
export async function listFiles(path: string): Promise<SourceFiles> {
  const found = await stat(path).catch(() => undefined)
  if (found && !found.isDirectory()) {
    if (containerOf(path)) return { files: [path], ignored: [] }
    throw unknownKind(path)
  }
  if (!found && !isDynamicPattern(path)) throw await nothingThere(path, 'no such file')
  const all = found
    ? (await glob('**/*', { cwd: path, expandDirectories: false })).map((name) => join(path, name))
    : await glob(path, { expandDirectories: false, absolute: isAbsolute(path) })
  all.sort((a, b) => (a < b ? -1 : 1))
  const files = all.filter((file) => containerOf(file))
  if (files.length > 0) return { files, ignored: all.filter((file) => !containerOf(file)) }
  throw await nothingThere(path, found ? 'no data file in this folder' : 'no data file matches')
}

const ENDINGS = Object.keys(CONTAINERS).join(', ')

function unknownKind(path: string): TongueforgeError {
  return new TongueforgeError(
    'ERR_DATA',
    `${path}: expected a file that ends in ${ENDINGS}; all but the last also with ${COMPRESSIONS.join(' or ')} after it`,
    { hint: 'Convert it to JSON lines with a key "text" or "messages".', details: { file: path } },
  )
}

async function nothingThere(path: string, problem: string): Promise<TongueforgeError> {
  const folder = await nearestFolder(path)
  const names = (await readdir(folder).catch(() => [])).filter((name) => !name.startsWith('.')).sort()
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : ''
  const there = names.length > 0 ? `${names.slice(0, NAMED).join(', ')}${more}` : 'nothing'
  return new TongueforgeError('ERR_NOT_FOUND', `${path}: ${problem}`, {
    hint: `${folder} holds ${there}. Data files end in ${ENDINGS}.`,
    details: { file: path, folder, found: names.slice(0, NAMED) },
  })
}

/** The folder itself, or the deepest one above a path that is there. */
async function nearestFolder(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory() || dirname(path) === path) return path
  return nearestFolder(dirname(path))
}
