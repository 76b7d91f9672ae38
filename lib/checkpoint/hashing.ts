/** SHA-256 of files, large ones on threads of their own. */
import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { abortWith } from '../abort'
import { openRegular } from './regular_file'

/** What is read in less time than a thread needs to start. */
const SMALL = 16 << 20

/** SHA-256 of a file in hexadecimal; of a large one on a thread of its own. Throws ERR_NOT_FOUND, ERR_IO. */
export async function sha256(file: string, signal?: AbortSignal): Promise<string> {
  const opened = await openRegular(file)
  try {
    if ((await opened.stat()).size > SMALL) return await hashOnThread(file, signal)
    const hash = createHash('sha256')
    for await (const piece of opened.stream({ highWaterMark: 1 << 20 })) {
      signal?.throwIfAborted() // the stream itself would throw an error of its own instead of the reason
      hash.update(piece as Buffer)
    }
    return hash.digest('hex')
  } finally {
    await opened.close()
  }
}

/** Threads that hash at the same time; the others wait for their turn. */
const threads = { free: availableParallelism(), waiting: [] as (() => void)[] }

async function hashOnThread(file: string, signal?: AbortSignal): Promise<string> {
  if (threads.free > 0) threads.free--
  else await new Promise<void>((turn) => threads.waiting.push(turn))
  try {
    return await hashed(file, signal)
  } finally {
    const next = threads.waiting.shift()
    if (next) next()
    else threads.free++
  }
}

async function hashed(file: string, signal?: AbortSignal): Promise<string> {
  signal?.throwIfAborted()
  const worker = new Worker(join(__dirname, 'hash_worker.js'), { workerData: file })
  const stop = () => void worker.terminate()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await new Promise<string>((resolve, reject) => {
      worker.once('message', resolve).once('error', reject)
      worker.once('exit', () => reject(signal?.reason ?? new Error('the hashing thread has ended')))
    })
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/**
 * Runs work and hashes beside it, files that the work reads at the same time. Resolves when both have ended; where one
 * fails, or the signal fires, so does the other.
 */
export async function hashBeside<Hashes, Result>(
  hash: (signal: AbortSignal) => Promise<Hashes>,
  work: () => Promise<Result>,
  signal?: AbortSignal,
): Promise<[Result, Hashes]> {
  const stop = new AbortController()
  const letGo = abortWith(stop, signal)
  const hashes = hash(stop.signal)
  hashes.catch(() => {}) // waited for below, unless the work fails first
  try {
    return [await work(), await hashes]
  } catch (error) {
    stop.abort(error)
    throw error
  } finally {
    letGo()
  }
}
