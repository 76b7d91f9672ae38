/** From a path in a config to files: a file, a folder with all that lies in it, or a pattern such as data/*.jsonl. */
import { dirname, isAbsolute, join } from 'node:path'
import { glob, isDynamicPattern } from 'tinyglobby'
import { TongueforgeError } from '../errors'
import { readdir, stat } from '../files'

/** Files that a hint names. */
const NAMED = 8

/** What is looked for. */
export interface FileKind {
  /** Whether a file is one, by its name. */
  accepts(file: string): boolean
  /** `data`: as messages call such a file. */
  name: string
  /** How the names of such files end, as a sentence says it. */
  endings: string
  /** The error for a single file of another kind. */
  refuse(file: string): TongueforgeError
}

export interface FoundFiles {
  files: string[]
  /** Other files that lie there, of kinds that are not read. */
  ignored: string[]
  /** The folder that they lie in or below: that of the path, of the file, or of the pattern's first part. */
  folder: string
}

/**
 * The files of a path, in the order of their names, so that every machine reads them alike. Folders are searched to
 * their depth; what begins with a dot is passed over. Throws ERR_NOT_FOUND, with what is there instead, and what `kind`
 * throws for a file of another kind.
 */
export async function findFiles(path: string, kind: FileKind): Promise<FoundFiles> {
  const found = await stat(path).catch(() => undefined)
  if (found && !found.isDirectory()) {
    if (kind.accepts(path)) return { files: [path], ignored: [], folder: dirname(path) }
    throw kind.refuse(path)
  }
  if (!found && !isDynamicPattern(path)) throw await nothingThere(path, 'no such file', kind)
  const all = found
    ? (await glob('**/*', { cwd: path, expandDirectories: false })).map((name) => join(path, name))
    : await glob(path, { expandDirectories: false, absolute: isAbsolute(path) })
  all.sort((a, b) => (a < b ? -1 : 1))
  const files = all.filter((file) => kind.accepts(file))
  if (files.length > 0)
    return { files, ignored: all.filter((file) => !kind.accepts(file)), folder: found ? path : baseOf(path) }
  throw await nothingThere(path, `no ${kind.name} file ${found ? 'in this folder' : 'matches'}`, kind)
}

/** What stands before the first part of a pattern that is one. */
function baseOf(pattern: string): string {
  const above = dirname(pattern)
  return isDynamicPattern(above) ? baseOf(above) : above
}

async function nothingThere(
  path: string,
  problem: string,
  { name, endings }: FileKind,
): Promise<TongueforgeError> {
  const folder = await nearestFolder(path)
  const names = (await readdir(folder).catch(() => [])).filter((name) => !name.startsWith('.')).sort()
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : ''
  const there = names.length > 0 ? `${names.slice(0, NAMED).join(', ')}${more}` : 'nothing'
  return new TongueforgeError('ERR_NOT_FOUND', `${path}: ${problem}`, {
    hint: `${folder} holds ${there}. ${name[0]!.toUpperCase()}${name.slice(1)} files end in ${endings}.`,
    details: { file: path, folder, found: names.slice(0, NAMED) },
  })
}

/** The folder itself, or the deepest one above a path that is there. */
async function nearestFolder(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory() || dirname(path) === path) return path
  return nearestFolder(dirname(path))
}
