/** Words with their counts, in bounded memory: when there are too many, the rarest are forgotten. */

export interface WordLimits {
  /** Different words. */
  words: number
  /** Of them all, in units of JavaScript strings. */
  characters: number
}

/** What is kept after forgetting, as a part of the limits: forgetting is worth its while. */
const KEPT = 0.75

export class WordCounter {
  readonly counts = new Map<string, number>()
  /** Words of the text that were forgotten, each time they stood there. */
  forgotten = 0
  private characters = 0

  constructor(private readonly limits: WordLimits) {}

  add(word: string, count = 1): void {
    const known = this.counts.get(word)
    this.counts.set(word, (known ?? 0) + count)
    if (known !== undefined) return
    this.characters += word.length
    if (this.counts.size > this.limits.words || this.characters > this.limits.characters) this.forget()
  }

  /** Words of count 1, then of 2, and so on, until enough room is made. */
  private forget(): void {
    const { words, characters } = this.limits
    for (let rarest = 1; this.counts.size > KEPT * words || this.characters > KEPT * characters; rarest++) {
      for (const [word, count] of this.counts) {
        if (count > rarest) continue
        this.counts.delete(word)
        this.characters -= word.length
        this.forgotten += count
      }
    }
  }
}
