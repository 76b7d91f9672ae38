import { inSteps } from './pause'
import type { Tokens } from './tokens'

/** Some documents of a source, by number, in the order given; nothing is copied. */
export class Selected implements Tokens {
  private constructor(
    private readonly tokens: Tokens,
    private readonly numbers: Uint32Array,
    readonly total: number,
  ) {}

  static async of(tokens: Tokens, numbers: Uint32Array): Promise<Selected> {
    let total = 0
    await inSteps(numbers.length, (from, to) => {
      for (let i = from; i < to; i++) total += tokens.length(numbers[i]!)
    })
    return new Selected(tokens, numbers, total)
  }

  get count(): number {
    return this.numbers.length
  }

  length(document: number): number {
    return this.tokens.length(this.numbers[document]!)
  }

  firstTarget(document: number): number {
    return this.tokens.firstTarget(this.numbers[document]!)
  }

  read(document: number, from: number, ids: Int32Array, labels: Int32Array): Promise<void> {
    return this.tokens.read(this.numbers[document]!, from, ids, labels)
  }
}
