/** How long one attempt may take. */
import { timeoutOf } from './timeout'

/** Ends one attempt: with the signal of the whole, or late. Leaves nothing behind in that signal, which AbortSignal.any would. */
export class Watch {
  readonly #control = new AbortController()
  readonly #stop = () => this.#control.abort(this.whole.reason)
  readonly #timer: NodeJS.Timeout
  late = false

  constructor(
    private readonly whole: AbortSignal,
    seconds: number,
  ) {
    whole.addEventListener('abort', this.#stop)
    if (whole.aborted) this.#stop()
    const tooLong = () => {
      this.late = true
      this.#control.abort()
    }
    this.#timer = setTimeout(tooLong, timeoutOf(seconds))
  }

  get signal(): AbortSignal {
    return this.#control.signal
  }

  end(): void {
    clearTimeout(this.#timer)
    this.whole.removeEventListener('abort', this.#stop)
  }
}
