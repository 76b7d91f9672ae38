/** Calls that run on what is to be disposed of: it waits for them, and those that come later are refused. */
import { TongueforgeError } from '../errors'

export class RunningCalls {
  readonly #running = new Set<Promise<unknown>>()
  #ended = false

  /** `what`: named in the error of a call that comes too late. */
  constructor(private readonly what: string) {}

  /**
   * Runs a call as its caller sees it, from its first line to its end: also what comes before, between and behind its native
   * jobs. Nothing within it is refused, so it may not go by way of `run` again. Rejects with ERR_DISPOSED.
   */
  async run<Result>(call: () => Promise<Result>): Promise<Result> {
    this.check()
    const running = call()
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  /** Throws ERR_DISPOSED once the end has come. */
  check(): void {
    if (this.#ended) throw new TongueforgeError('ERR_DISPOSED', `This ${this.what} was disposed of`)
  }

  /** Refuses calls from now on, and waits for those that run. */
  async end(): Promise<void> {
    this.#ended = true
    await Promise.allSettled(this.#running)
  }
}
