/**
 * Writing to the disk: the calls of Node that change it, whose failures are coded, name the file, and on a full disk say
 * how many bytes were to come. All of lib that writes takes them from here.
 */
import * as fs from 'node:fs'
import { constants } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { TongueforgeError } from './errors'
import { access, OpenFile, stat } from './files'

const calls = {
  appendFile: promisify(fs.appendFile),
  copyFile: promisify(fs.copyFile),
  cp: fs.promises.cp, // with callbacks it is the same within
  link: promisify(fs.link),
  lstat: promisify(fs.lstat),
  mkdir: promisify(fs.mkdir),
  mkdtemp: promisify(fs.mkdtemp),
  readdir: promisify(fs.readdir),
  rename: promisify(fs.rename),
  rmdir: promisify(fs.rmdir),
  symlink: promisify(fs.symlink),
  unlink: promisify(fs.unlink),
}

/** Of a disk that is full, and of a quota that is used up: of that one Node has only the number. */
const FULL = [constants.errno.ENOSPC, constants.errno.EDQUOT]

type Data = string | Uint8Array

/**
 * The error of a file that could not be written: ERR_NO_SPACE, with the `bytes` that were to be written where they are
 * known, or ERR_IO. For `.catch` of a write; what is coded already stays as it is.
 */
export const writeFailed =
  (file: string, bytes = 0) =>
  (cause: NodeJS.ErrnoException): never => {
    if (cause instanceof TongueforgeError) throw cause
    const full = FULL.includes(-(cause.errno ?? 0))
    const needed = full && bytes > 0 ? `, ${bytes} bytes needed` : ''
    throw new TongueforgeError(
      full ? 'ERR_NO_SPACE' : 'ERR_IO',
      `${file}: cannot be written (${full ? `the disk is full${needed}` : (cause.code ?? cause.message)})`,
      {
        hint: full
          ? 'Free space on this disk or write to another one.'
          : 'Check the disk and the permissions.',
        details: { file, errno: cause.code, ...(needed && { bytes_needed: bytes }) },
        cause,
      },
    )
  }

/** Of a file or folder that could not be read, or deleted. Throws ERR_IO. */
const failedAt =
  (what: 'read' | 'deleted') =>
  (path: string) =>
  (cause: NodeJS.ErrnoException): never => {
    throw new TongueforgeError('ERR_IO', `${path}: cannot be ${what} (${cause.code ?? cause.message})`, {
      hint: 'Check the disk and the permissions.',
      details: { file: path, errno: cause.code },
      cause,
    })
  }

const readFailed = failedAt('read')
const removeFailed = failedAt('deleted')

const sizeOf = (data: Data) => (typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength)
const sumOf = (parts: readonly Uint8Array[]) => parts.reduce((sum, part) => sum + part.byteLength, 0)

/** Throws ERR_NO_SPACE, ERR_IO; as the others do. `flush` waits until the content is on the disk. */
export async function writeFile(
  file: string,
  data: Data | readonly Uint8Array[],
  { flush = false }: { flush?: boolean } = {},
): Promise<void> {
  const parts = typeof data === 'string' ? [Buffer.from(data)] : data instanceof Uint8Array ? [data] : data
  await writeParts(file, parts, flush).catch(writeFailed(file, sumOf(parts)))
}

/**
 * The whole of a file, in place of one that may be there: written as `by`, on the same disk, and renamed. What fails
 * leaves the file as it was. Throws ERR_NO_SPACE, ERR_IO.
 */
export async function replaceFile(
  file: string,
  data: Data | readonly Uint8Array[],
  by = `${file}.new`,
): Promise<void> {
  try {
    await writeFile(by, data)
    await rename(by, file)
  } catch (error) {
    await calls.unlink(by).catch(() => {}) // what went wrong first is what counts
    throw error
  }
}

async function writeParts(file: string, parts: readonly Uint8Array[], flush: boolean): Promise<void> {
  const opened = await OpenFile.open(file, 'w')
  try {
    for (const part of parts) await opened.write(part)
    if (flush) await opened.sync()
  } finally {
    await opened.close()
  }
}

export function appendFile(file: string, data: Data): Promise<void> {
  return calls.appendFile(file, data).catch(writeFailed(file, sizeOf(data)))
}

/** `mode` as of fs.copyFile. */
export async function copyFile(from: string, to: string, mode?: number): Promise<void> {
  await calls.copyFile(from, to, mode ?? 0).catch(async (error) => {
    await access(from, fs.constants.R_OK).catch(readFailed(from))
    const size = await stat(from).then(
      (found) => found.size,
      () => 0,
    )
    writeFailed(to, size)(error)
  })
}

export async function mkdir(path: string, options?: { recursive: boolean }): Promise<void> {
  await (options?.recursive ? withParents(path) : calls.mkdir(path)).catch(writeFailed(path))
}

// Not by Node's `recursive`: where a file system says ENOENT of a folder whose parent is there, as /proc does, Node tries for ever.
async function withParents(path: string): Promise<void> {
  const made = await calls.mkdir(path).catch((error) => error)
  if (made?.code === 'ENOENT' && dirname(path) !== path) {
    await withParents(dirname(path))
    await calls.mkdir(path).catch(unlessFolder(path))
  } else if (made) await unlessFolder(path)(made)
}

const unlessFolder = (path: string) => async (error: NodeJS.ErrnoException) => {
  const there = await stat(path).catch(() => undefined)
  if (!there?.isDirectory()) throw error
}

/** A folder and those above it, on this thread at once. */
export function makeFoldersNow(path: string): void {
  try {
    withParentsNow(path)
  } catch (error) {
    writeFailed(path)(error as NodeJS.ErrnoException)
  }
}

function withParentsNow(path: string): void {
  try {
    fs.mkdirSync(path)
  } catch (error) {
    if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
    const above = dirname(path)
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || fs.statSync(above, { throwIfNoEntry: false }))
      throw error
    withParentsNow(above)
    withParentsNow(path)
  }
}

/** The name of a new folder: `prefix` and six letters. */
export const mkdtemp = (prefix: string): Promise<string> => calls.mkdtemp(prefix).catch(writeFailed(prefix))

export const rename = (from: string, to: string): Promise<void> =>
  calls.rename(from, to).catch(writeFailed(to))

export const symlink = (target: string, path: string): Promise<void> =>
  calls.symlink(target, path).catch(writeFailed(path))

export const link = (from: string, to: string): Promise<void> => calls.link(from, to).catch(writeFailed(to))

/** `recursive`: with all that is in it; `force`: also where it is not there. Once it has failed nothing more is deleted. */
export async function rm(
  path: string,
  { recursive = false, force = false }: { recursive?: boolean; force?: boolean } = {},
): Promise<void> {
  const remove = recursive ? removeTree : calls.unlink
  const removed = remove(path)
  await (force ? removed.catch(unlessGone) : removed).catch(removeFailed(path))
}

const unlessGone = (error: NodeJS.ErrnoException) => {
  if (error.code !== 'ENOENT') throw error
}

// Not by Node's `recursive`, which tells of the first failure while other deletions are still under way: they would meet what
// is made there next.
async function removeTree(path: string): Promise<void> {
  if (!(await calls.lstat(path)).isDirectory()) return calls.unlink(path)
  for (const name of await calls.readdir(path)) await removeTree(join(path, name)).catch(unlessGone)
  await calls.rmdir(path)
}

export const rmdir = (path: string): Promise<void> => calls.rmdir(path).catch(removeFailed(path))

/**
 * Deletes a folder so that none of it is taken for all: renamed to `.trash-NAME` beside its place first, which the next
 * call, or whoever holds the folder around it next, sweeps away, if this is cut short. Nothing where it is not there.
 * Throws ERR_IO.
 */
export async function discard(path: string): Promise<void> {
  const trash = join(dirname(path), `.trash-${basename(path)}`)
  await rm(trash, { recursive: true, force: true })
  if (!fs.existsSync(path)) return
  await rename(path, trash)
  await rm(trash, { recursive: true, force: true })
}

/** A folder with all that is in it. */
export const cp = (from: string, to: string, options: { recursive: boolean }): Promise<void> =>
  calls.cp(from, to, options).catch(writeFailed(to))
