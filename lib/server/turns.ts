/** Work of which some runs at a time, some waits, and what is more is refused. */
import { RequestError } from './errors'

export class Turns {
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(private readonly most: { running: number; waiting: number }) {}

  /** Throws RequestError where too many wait. Who leaves while waiting still has a turn, in which it finds itself aborted. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running >= this.most.running) await this.#wait()
    else this.#running++
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }

  #wait(): Promise<void> {
    if (this.#waiting.length >= this.most.waiting)
      throw new RequestError(`Expected at most ${this.most.waiting} requests that wait, received one more`, {
        status: 503,
        code: 'queue_full',
      })
    return new Promise((done) => this.#waiting.push(done))
  }
}
