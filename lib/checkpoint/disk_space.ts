/** A disk that would fill up is met before the work, not in the middle of it. */
import { dirname, resolve } from 'node:path'
import { TongueforgeError } from '../errors'
import { statfs } from '../files'

/**
 * Throws ERR_NO_SPACE unless `bytes` more fit where `path` is, or will be. Returns the free bytes; undefined where a
 * file system does not tell.
 */
export async function checkSpace(
  path: string,
  bytes: number,
  what: string,
  hint = 'Free space, or choose another out.',
): Promise<number | undefined> {
  const free = await freeBytes(resolve(path))
  if (free === undefined || free >= bytes) return free
  throw new TongueforgeError(
    'ERR_NO_SPACE',
    `${path}: expected ${bytes} free bytes for ${what}, found ${free}`,
    { hint, details: { path, bytes_needed: bytes, bytes_free: free } },
  )
}

// Of the nearest folder that is there.
async function freeBytes(path: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(path)
    return bavail * bsize
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT' && dirname(path) !== path
    return missing ? freeBytes(dirname(path)) : undefined
  }
}
