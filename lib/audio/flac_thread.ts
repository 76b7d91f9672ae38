/** The thread that decodes FLAC files: started by the first one, kept for the next, and no reason to stay alive. */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { ioError } from '../checkpoint/json_file'
import type { FlacAnswer, FlacTask } from './flac_worker'
import { audioError, CONVERT } from './formats'

interface Waiting {
  path: string
  resolve: (samples: Float32Array) => void
  reject: (error: unknown) => void
}

class FlacThread {
  private readonly waiting = new Map<number, Waiting>()
  private readonly worker = new Worker(join(__dirname, 'flac_worker.js'))
  private next = 0

  constructor(private readonly onEnd: () => void) {
    this.worker.unref()
    this.worker.on('message', (answer: FlacAnswer) => this.settle(answer))
    this.worker.once('error', (error) => this.end(error))
    this.worker.once('exit', () => this.end(new Error('the decoding thread has ended')))
  }

  decode(path: string, signal: AbortSignal | undefined): Promise<Float32Array> {
    const id = this.next++
    const stop = () => this.take(id)?.reject(signal?.reason)
    const decoded = new Promise<Float32Array>((resolve, reject) => {
      this.waiting.set(id, { path, resolve, reject })
      signal?.addEventListener('abort', stop, { once: true })
    })
    this.worker.ref()
    this.worker.postMessage({ id, path } satisfies FlacTask)
    return decoded.finally(() => signal?.removeEventListener('abort', stop))
  }

  private settle(answer: FlacAnswer): void {
    const { path, resolve, reject } = this.take(answer.id) ?? {}
    if (path === undefined) return // nobody waits for it any more
    if ('samples' in answer) resolve!(answer.samples)
    else if (answer.system !== undefined)
      reject!(ioError(path, Object.assign(new Error(answer.problem), { code: answer.system })))
    else reject!(audioError(path, 'not_decoded', `cannot be decoded as FLAC: ${answer.problem}`, CONVERT))
  }

  private take(id: number): Waiting | undefined {
    const one = this.waiting.get(id)
    this.waiting.delete(id)
    if (this.waiting.size === 0) this.worker.unref()
    return one
  }

  private end(error: Error): void {
    this.onEnd()
    for (const { path, reject } of this.waiting.values())
      reject(audioError(path, 'not_decoded', `cannot be decoded as FLAC: ${error.message}`, CONVERT))
    this.waiting.clear()
  }
}

let thread: FlacThread | undefined

/** The samples of a file, mixed down. Throws ERR_AUDIO, ERR_NOT_FOUND, ERR_IO, `signal.reason`. */
export async function decodeFlac(path: string, signal?: AbortSignal): Promise<Float32Array> {
  signal?.throwIfAborted()
  thread ??= new FlacThread(() => {
    thread = undefined
  })
  return thread.decode(path, signal)
}
