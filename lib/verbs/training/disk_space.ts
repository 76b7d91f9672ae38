/** A disk that would fill up is met before the run, and before each checkpoint: not in the middle of one. */
import { statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { TongueforgeError } from '../../errors'

/** Throws ERR_NO_SPACE unless `bytes` more fit where `path` is, or will be. */
export async function checkSpace(path: string, bytes: number, what: string): Promise<void> {
  const free = await freeBytes(resolve(path))
  if (free === undefined || free >= bytes) return
  throw new TongueforgeError(
    'ERR_NO_SPACE',
    `${path}: expected ${bytes} free bytes for ${what}, found ${free}`,
    {
      hint: 'Free space, choose another out, or lower checkpoint.keep.',
      details: { path, bytes_needed: bytes, bytes_free: free },
    },
  )
}

// Of the nearest folder that is there; undefined where a file system does not tell.
async function freeBytes(path: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(path)
    return bavail * bsize
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT' && dirname(path) !== path
    return missing ? freeBytes(dirname(path)) : undefined
  }
}
