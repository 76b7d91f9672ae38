/** How long one attempt may take. */
import { abortWith } from '../../abort'
import { timeoutOf } from './timeout'

/** Ends one attempt: with the signal of the whole, or late. */
export class Watch {
  readonly #control = new AbortController()
  readonly #letGo: () => void
  readonly #timer: NodeJS.Timeout
  late = false

  constructor(whole: AbortSignal, seconds: number) {
    this.#letGo = abortWith(this.#control, whole)
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
    this.#letGo()
  }
}
