/** Texts that are kept to check and measure on, up to a limit; the last one may be the beginning of a text. */
export class Sample {
  readonly texts: string[] = []
  private room = 2 ** 20 // characters

  get full(): boolean {
    return this.room === 0 || this.texts.length === 1000
  }

  add(text: string): void {
    const kept = text.slice(0, this.room).replace(/[\ud800-\udbff]$/, '') // no half of a pair
    this.room -= kept.length
    this.texts.push(kept)
  }
}
