import { inSteps } from './pause'

const BLOCK = 64

/**
 * Where each of many lengths begins when they are laid end to end. One number is kept for every 64 of them, an eighth
 * of a byte each; what lies between is added up when it is asked for.
 */
export class Offsets {
  private constructor(
    private readonly count: number,
    private readonly lengthOf: (index: number) => number,
    /** Where every 64th begins. */
    private readonly blocks: Float64Array,
  ) {}

  static async of(count: number, lengthOf: (index: number) => number): Promise<Offsets> {
    const blocks = new Float64Array(Math.ceil(count / BLOCK))
    let sum = 0
    await inSteps(count, (from, to) => {
      for (let i = from; i < to; i++) {
        if (i % BLOCK === 0) blocks[i / BLOCK] = sum
        sum += lengthOf(i)
      }
    })
    return new Offsets(count, lengthOf, blocks)
  }

  startOf(index: number): number {
    const block = Math.floor(index / BLOCK)
    let start = this.blocks[block]!
    for (let i = block * BLOCK; i < index; i++) start += this.lengthOf(i)
    return start
  }

  /** The last that begins at or before a position, and where it begins. */
  find(position: number): { index: number; start: number } {
    let index = this.lastBlockNotAbove(position) * BLOCK
    let start = this.blocks[index / BLOCK]!
    for (; index < this.count - 1; index++) {
      const next = start + this.lengthOf(index)
      if (next > position) break
      start = next
    }
    return { index, start }
  }

  private lastBlockNotAbove(position: number): number {
    let [low, high] = [0, this.blocks.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.blocks[middle]! <= position) low = middle
      else high = middle - 1
    }
    return low
  }
}
