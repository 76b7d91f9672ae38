/** A native object that calls run on: it goes when it is disposed of and the last call has ended. */
import { TongueforgeError } from '../errors'
import { type Handle, type JobCallbacks, type NativeJobs, native, runJob } from '../native'

export class HeldHandle {
  readonly #running = new Set<Promise<unknown>>()
  #disposed = false

  /** `what`: named in the error of a call that comes too late. */
  constructor(
    private readonly handle: Handle,
    private readonly what: string,
  ) {}

  /** Runs a job on it. Throws ERR_DISPOSED. */
  async run<Name extends keyof NativeJobs>(
    name: Name,
    options: Omit<NativeJobs[Name][0], 'model'>,
    callbacks: JobCallbacks = {},
  ): Promise<NativeJobs[Name][1]> {
    if (this.#disposed) throw new TongueforgeError('ERR_DISPOSED', `This ${this.what} was disposed of`)
    const call = runJob(name, { ...options, model: this.handle } as NativeJobs[Name][0], callbacks)
    this.#running.add(call)
    try {
      return await call
    } finally {
      this.#running.delete(call)
    }
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    await Promise.allSettled(this.#running)
    native().dispose(this.handle)
  }
}
