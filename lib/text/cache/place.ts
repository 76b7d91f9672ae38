/** Where encoded data are kept, and whether there is room for more. */
import { createHash } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { type ErrorDetails, TongueforgeError } from '../../errors'
import { readdir, stat, statfs } from '../../files'
import { cacheFolder } from '../../libtorch_folders'
import { mkdir, rm } from '../../writes'

/** The folder of a config's key, else TONGUEFORGE_DATA_CACHE, else `data` beside the fetched libraries. */
export function dataCacheFolder(path?: string): string {
  return resolve(path ?? (process.env.TONGUEFORGE_DATA_CACHE || join(cacheFolder(), 'data')))
}

/** Throws ERR_IO where no folder can be: a file is in its place, or above it. */
export async function checkPlace(cache: string): Promise<void> {
  const found = await stat(cache).catch((error: NodeJS.ErrnoException) => error)
  if (found instanceof Error ? found.code === 'ENOENT' : found.isDirectory()) return
  const received = found instanceof Error ? found.code : 'a file'
  throw new TongueforgeError('ERR_IO', `${cache}: expected a folder for encoded data, received ${received}`, {
    hint: 'Name another folder: data_cache: PATH.',
    details: { path: cache },
  })
}

/**
 * A path in the cache that no other process takes, for work that is published by renaming it. What dead processes left
 * under such paths is removed.
 */
export async function workPath(cache: string): Promise<string> {
  await mkdir(cache, { recursive: true })
  await removeLeftovers(cache)
  const unique = `${process.pid}-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`
  return join(cache, `.tmp-${host()}-${unique}`)
}

export async function workFolder(cache: string): Promise<string> {
  const folder = await workPath(cache)
  await mkdir(folder)
  return folder
}

// A cache may be shared between machines, and containers that go by one name: the processes of another one cannot be asked for.
const host = () =>
  createHash('sha256').update(`${hostname()} ${processNamespace()}`).digest('hex').slice(0, 12)

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return '' // where there is no such thing
  }
}

async function removeLeftovers(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const [, machine, owner] = /^\.tmp-([0-9a-f]{12})-(\d+)-/.exec(name) ?? []
    if (machine === host() && !isRunning(Number(owner)))
      await rm(join(cache, name), { recursive: true, force: true }).catch(() => {}) // of another user: left to that one
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Bytes free in a folder; replaced in tests. */
export type FreeSpace = (folder: string) => Promise<number>

export const freeSpace: FreeSpace = async (folder) => {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

/** Throws ERR_NO_SPACE unless so many bytes are free. */
export async function needSpace(folder: string, bytes: number, free: FreeSpace): Promise<void> {
  const found = await free(folder)
  if (found < bytes)
    throw noSpace(folder, `needs about ${megabytes(bytes)} MB, ${megabytes(found)} MB are free`)
}

export function noSpace(
  folder: string,
  what: string,
  cause?: unknown,
  details?: ErrorDetails,
): TongueforgeError {
  return new TongueforgeError('ERR_NO_SPACE', `${folder}: the cache of encoded data ${what}`, {
    hint: 'Free some space (anything in this folder may be deleted), or name a folder on another disk: data_cache: PATH.',
    details: { path: folder, ...details },
    cause,
  })
}

const megabytes = (bytes: number) => Math.ceil(bytes / 1e6)
