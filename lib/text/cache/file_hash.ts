/** SHA-256 of data files, remembered: a corpus is not read again to learn that it is the same. */
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { sha256 } from '../../checkpoint/hashing'
import { ioError } from '../../checkpoint/json_file'
import { readFile, realpath, stat } from '../../files'
import { workPath } from '../../work_paths'
import { mkdir, replaceFile } from '../../writes'

/** What a file system says of a file; equal stamps are taken for equal content, as git does. */
export interface Stamp {
  size: number
  mtime: string
  ctime: string
  inode: string
}

export interface HashedFile {
  sha256: string
  stamp: Stamp
}

/** Clocks of file systems are coarse: what changed so shortly before it was hashed may change again unseen. */
const SETTLED_MS = 2000

export async function stampOf(path: string): Promise<Stamp> {
  const { size, mtimeNs, ctimeNs, ino } = await stat(path, { bigint: true }).catch((error) => {
    throw ioError(path, error)
  })
  return { size: Number(size), mtime: `${mtimeNs}`, ctime: `${ctimeNs}`, inode: `${ino}` }
}

export const sameStamp = (a: Stamp, b: Stamp) =>
  a.size === b.size && a.mtime === b.mtime && a.ctime === b.ctime && a.inode === b.inode

/** Hashes a file, or recalls the hash from the cache folder if the file has not changed since. */
export async function hashFile(path: string, cache: string, signal?: AbortSignal): Promise<HashedFile> {
  const stamp = await stampOf(path)
  const real = await realpath(path)
  const place = join(cache, 'hashes', `${createHash('sha256').update(real).digest('hex')}.json`)
  const known = await recall(place)
  if (known && sameStamp(known.stamp, stamp)) return known
  const age = Date.now() - Number(BigInt(stamp.ctime) / 1_000_000n) // as the hashing begins, which may take long
  const hashed = { path: real, sha256: await sha256(path, signal), stamp }
  if (age > SETTLED_MS && sameStamp(stamp, await stampOf(path)))
    await remember(cache, place, hashed).catch(() => {}) // hashed again next time, where nothing can be written
  return hashed
}

async function recall(place: string): Promise<HashedFile | undefined> {
  try {
    const known = JSON.parse(await readFile(place, 'utf8'))
    return typeof known.sha256 === 'string' && typeof known.stamp === 'object' ? known : undefined
  } catch {
    return undefined // not there, or torn: hashed again
  }
}

async function remember(cache: string, place: string, hashed: object): Promise<void> {
  await mkdir(dirname(place), { recursive: true })
  await replaceFile(place, JSON.stringify(hashed), await workPath(cache))
}
