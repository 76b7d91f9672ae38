/** The language detector `eld`, on a thread: started by the first text, kept for the next, no reason to stay alive. */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { TongueforgeError } from '../../errors'
import type { EldGuess, LanguageAnswer, LanguageTask } from './eld_worker'

interface Waiting {
  resolve: (guesses: EldGuess[]) => void
  reject: (error: unknown) => void
}

class EldThread {
  private readonly waiting = new Map<number, Waiting>()
  private readonly worker = new Worker(join(__dirname, 'eld_worker.js'))
  private next = 0

  constructor(private readonly onEnd: () => void) {
    this.worker.unref()
    this.worker.on('message', ({ id, guesses }: LanguageAnswer) => this.take(id)?.resolve(guesses))
    this.worker.once('error', (error) => this.end(error))
    this.worker.once('exit', () => this.end(new Error('its thread has ended')))
  }

  detect(texts: readonly string[], signal: AbortSignal | undefined): Promise<EldGuess[]> {
    const id = this.next++
    const stop = () => this.take(id)?.reject(signal?.reason)
    const detected = new Promise<EldGuess[]>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      signal?.addEventListener('abort', stop, { once: true })
    })
    this.worker.ref()
    this.worker.postMessage({ id, texts } satisfies LanguageTask)
    return detected.finally(() => signal?.removeEventListener('abort', stop))
  }

  private take(id: number): Waiting | undefined {
    const one = this.waiting.get(id)
    this.waiting.delete(id)
    if (this.waiting.size === 0) this.worker.unref()
    return one
  }

  private end(cause: Error): void {
    this.onEnd()
    for (const { reject } of this.waiting.values())
      reject(
        new TongueforgeError('ERR_INTERNAL', `the language detector failed: ${cause.message}`, { cause }),
      )
    this.waiting.clear()
  }
}

let thread: EldThread | undefined

/** What the detector says of each text. Rejects with `signal.reason`. */
export async function detectByEld(texts: readonly string[], signal?: AbortSignal): Promise<EldGuess[]> {
  signal?.throwIfAborted()
  thread ??= new EldThread(() => {
    thread = undefined
  })
  return thread.detect(texts, signal)
}
