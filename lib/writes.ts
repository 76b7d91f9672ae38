/**
 * Writing to the disk: the calls of node:fs/promises that change it, whose failures are coded, name the file, and on a
 * full disk say how many bytes were to come. All of lib that writes takes them from here.
 */
import { mkdirSync, statSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { constants } from 'node:os'
import { dirname } from 'node:path'
import { TongueforgeError } from './errors'

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

/** Of a file or folder that could not be deleted. Throws ERR_IO. */
const removeFailed =
  (path: string) =>
  (cause: NodeJS.ErrnoException): never => {
    throw new TongueforgeError('ERR_IO', `${path}: cannot be deleted (${cause.code ?? cause.message})`, {
      hint: 'Check the disk and the permissions.',
      details: { file: path, errno: cause.code },
      cause,
    })
  }

const sizeOf = (data: Data) => (typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength)
const sumOf = (data: Data | readonly Uint8Array[]) =>
  typeof data === 'string' || data instanceof Uint8Array
    ? sizeOf(data)
    : data.reduce((sum, part) => sum + part.byteLength, 0)

/** Throws ERR_NO_SPACE, ERR_IO; as the others do. `flush` waits until the content is on the disk. */
export function writeFile(
  file: string,
  data: Data | readonly Uint8Array[],
  options: { flush?: boolean } = {},
): Promise<void> {
  return fs.writeFile(file, data, options).catch(writeFailed(file, sumOf(data)))
}

export function appendFile(file: string, data: Data): Promise<void> {
  return fs.appendFile(file, data).catch(writeFailed(file, sizeOf(data)))
}

/** `mode` as of fs.copyFile. */
export async function copyFile(from: string, to: string, mode?: number): Promise<void> {
  await fs.copyFile(from, to, mode).catch(async (error) => {
    const size = await fs.stat(from).then(
      (stat) => stat.size,
      () => 0,
    )
    writeFailed(to, size)(error)
  })
}

export async function mkdir(path: string, options?: { recursive: boolean }): Promise<void> {
  await (options?.recursive ? withParents(path) : fs.mkdir(path)).catch(writeFailed(path))
}

// Not by Node's `recursive`: where a file system says ENOENT of a folder whose parent is there, as /proc does, Node tries for ever.
async function withParents(path: string): Promise<void> {
  const made = await fs.mkdir(path).catch((error) => error)
  if (made?.code === 'ENOENT' && dirname(path) !== path) {
    await withParents(dirname(path))
    await fs.mkdir(path).catch(unlessFolder(path))
  } else if (made) await unlessFolder(path)(made)
}

const unlessFolder = (path: string) => async (error: NodeJS.ErrnoException) => {
  const there = await fs.stat(path).catch(() => undefined)
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
    mkdirSync(path)
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
    const above = dirname(path)
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || statSync(above, { throwIfNoEntry: false }))
      throw error
    withParentsNow(above)
    withParentsNow(path)
  }
}

/** The name of a new folder: `prefix` and six letters. */
export const mkdtemp = (prefix: string): Promise<string> => fs.mkdtemp(prefix).catch(writeFailed(prefix))

export const rename = (from: string, to: string): Promise<void> => fs.rename(from, to).catch(writeFailed(to))

export const symlink = (target: string, path: string): Promise<void> =>
  fs.symlink(target, path).catch(writeFailed(path))

export const link = (from: string, to: string): Promise<void> => fs.link(from, to).catch(writeFailed(to))

export const rm = (path: string, options?: { recursive?: boolean; force?: boolean }): Promise<void> =>
  fs.rm(path, options).catch(removeFailed(path))

export const rmdir = (path: string): Promise<void> => fs.rmdir(path).catch(removeFailed(path))

/** A folder with all that is in it. */
export const cp = (from: string, to: string, options: { recursive: boolean }): Promise<void> =>
  fs.cp(from, to, options).catch(writeFailed(to))
