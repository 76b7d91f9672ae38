/** Where encoded data are kept, and whether there is room for more. */
import { join, resolve } from 'node:path'
import { type ErrorDetails, TongueforgeError } from '../../errors'
import { stat, statfs } from '../../files'
import { cacheFolder } from '../../libtorch_folders'

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
