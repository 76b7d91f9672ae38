// What an unpacked wheel says of itself: the hashes of its files (RECORD) and what it needs (METADATA).
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { TongueforgeError } from '../errors'
import { readdir, readFile } from '../files'

const SHARED_LIBRARY = /\.so(\.\d+)*$/

/** Compares every shared library under a site folder with the SHA-256 in its wheel's RECORD. Throws ERR_LIBTORCH. */
export async function verifyLibraries(site: string): Promise<void> {
  for (const record of await distInfo(site, 'RECORD')) {
    for (const line of record.split('\n')) {
      const [path, hash] = line.split(',')
      if (path && hash?.startsWith('sha256=') && SHARED_LIBRARY.test(path)) {
        await verifyFile(join(site, path), hash.slice('sha256='.length))
      }
    }
  }
}

/** Compares one file with a hash in the form of RECORD: SHA-256 in URL-safe base64 without padding. */
async function verifyFile(file: string, expected: string): Promise<void> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash)
  const received = hash.digest('base64url')
  if (received === expected) return
  throw new TongueforgeError('ERR_LIBTORCH', `${file}: expected SHA-256 ${expected}, received ${received}`, {
    hint: 'the download or the disk damaged it: try again',
    details: { file, expected, received },
  })
}

/** The CUDA libraries among the requirements of torch, in pip's notation; compilers and Python packages left out. */
export async function cudaRequirements(site: string): Promise<string[]> {
  const metadata = await distInfo(site, 'METADATA')
  return metadata
    .flatMap((text) => text.split('\n'))
    .filter((line) => /^Requires-Dist: (nvidia-|cuda-toolkit\b)/.test(line) && !/extra\s*==/.test(line))
    .map((line) => line.slice('Requires-Dist: '.length).trim())
}

async function distInfo(site: string, name: string): Promise<string[]> {
  const folders = (await readdir(site)).filter((entry) => entry.endsWith('.dist-info'))
  return Promise.all(folders.map((folder) => readFile(join(site, folder, name), 'utf8')))
}
