/** How long one attempt may take. */

/** setTimeout knows no longer wait, and takes one for none. */
const LONGEST_TIMEOUT = 2 ** 31 - 1

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
    this.#timer = setTimeout(tooLong, Math.min(seconds * 1000, LONGEST_TIMEOUT))
  }

  get signal(): AbortSignal {
    return this.#control.signal
  }

  end(): void {
    clearTimeout(this.#timer)
    this.whole.removeEventListener('abort', this.#stop)
  }
}
