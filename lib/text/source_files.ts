/** Kinds of files with text or records, and those that lie under a path. */
import { extname } from 'node:path'
import { TongueforgeError } from '../errors'
import { COMPRESSIONS } from './chunks'
import { type FileKind, findFiles } from './find_files'

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
const ENDINGS = Object.keys(CONTAINERS).join(', ')

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

const DATA: FileKind = {
  accepts: (file) => containerOf(file) !== undefined,
  name: 'data',
  endings: ENDINGS,
  refuse: (file) =>
    new TongueforgeError(
      'ERR_DATA',
      `${file}: expected a file that ends in ${ENDINGS}; all but the last also with ${COMPRESSIONS.join(' or ')} after it`,
      { hint: 'Convert it to JSON lines with a key "text" or "messages".', details: { file } },
    ),
}

/**
 * The data files of a path: a file, a folder or a pattern. Throws ERR_NOT_FOUND, with what is there instead, and ERR_DATA
 * for a file of another kind.
 */
export async function listFiles(path: string): Promise<SourceFiles> {
  const { files, ignored } = await findFiles(path, DATA)
  return { files, ignored }
}
