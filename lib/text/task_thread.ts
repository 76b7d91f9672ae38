/** A thread that answers tasks: started by the first one, kept for the next, and no reason to stay alive. */
import { Worker } from 'node:worker_threads'

interface Waiting<Answer> {
  resolve: (answer: Answer) => void
  reject: (error: unknown) => void
  /** What is thrown where the thread ends. */
  failure: (cause: Error) => unknown
}

export interface AskOptions {
  failure: (cause: Error) => unknown
  signal?: AbortSignal | undefined
}

/** Tasks go to the script with an `id`, which it puts into its answer. */
export class TaskThread<Task extends object, Answer extends { id: number }> {
  private worker: Worker | undefined
  private readonly waiting = new Map<number, Waiting<Answer>>()
  private next = 0

  constructor(private readonly script: string) {}

  /** Rejects with `signal.reason`, or with `failure` of why the thread has ended; the next task starts another. */
  async ask(task: Task, { failure, signal }: AskOptions): Promise<Answer> {
    signal?.throwIfAborted()
    const id = this.next++
    const stop = () => this.take(id)?.reject(signal?.reason)
    const answered = new Promise<Answer>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, failure })
      signal?.addEventListener('abort', stop, { once: true })
    })
    this.worker ??= this.started()
    this.worker.ref()
    this.worker.postMessage({ id, ...task })
    return answered.finally(() => signal?.removeEventListener('abort', stop))
  }

  private started(): Worker {
    const worker = new Worker(this.script)
    worker.on('message', (answer: Answer) => this.take(answer.id)?.resolve(answer))
    worker.once('error', (error) => this.end(worker, error))
    worker.once('exit', () => this.end(worker, new Error('its thread has ended')))
    return worker
  }

  private take(id: number): Waiting<Answer> | undefined {
    const one = this.waiting.get(id)
    this.waiting.delete(id)
    if (this.waiting.size === 0) this.worker?.unref()
    return one
  }

  private end(worker: Worker, cause: Error): void {
    if (this.worker !== worker) return // its tasks are told, and others may wait for the next one
    this.worker = undefined
    for (const { reject, failure } of this.waiting.values()) reject(failure(cause))
    this.waiting.clear()
  }
}
