/**
 * Finds the first of several texts in a stream of pieces, and holds back what may be its beginning: whoever reads
 * the stream never sees a part of a stop string.
 */
export class StopStrings {
  readonly #texts: readonly string[]
  #held = ''
  #found = false

  constructor(texts: readonly string[]) {
    this.#texts = texts.filter((text) => text !== '')
  }

  /** A stop string has been seen: nothing more will come. */
  get found(): boolean {
    return this.#found
  }

  /** Takes the next piece; returns the text that is certainly before any stop string. */
  push(piece: string): string {
    if (this.#found) return ''
    this.#held += piece
    const places = this.#texts.map((text) => this.#held.indexOf(text)).filter((place) => place >= 0)
    if (places.length > 0) {
      this.#found = true
      return this.#held.slice(0, Math.min(...places))
    }
    return this.#release(this.#held.length - this.#possibleBeginning())
  }

  /** The end of the stream: what was held back was no stop string. */
  flush(): string {
    return this.#found ? '' : this.#release(this.#held.length)
  }

  // Length of the longest end of the held text that a stop string begins with.
  #possibleBeginning(): number {
    for (let length = this.#held.length; length > 0; length--) {
      const end = this.#held.slice(-length)
      if (this.#texts.some((text) => text.length > length && text.startsWith(end))) return length
    }
    return 0
  }

  #release(length: number): string {
    const text = this.#held.slice(0, length)
    this.#held = this.#held.slice(length)
    return text
  }
}
