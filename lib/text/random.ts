import { inSteps } from './pause'

/**
 * A small seeded generator for shuffles: xoshiro128** (Blackman and Vigna 2018), seeded through splitmix32. It is made
 * of 32-bit integer steps only, so every machine gives the same numbers. Not for secrets.
 */
export class Random {
  private readonly state = new Uint32Array(4)

  /** Same seeds, same numbers; each is a whole number up to 2^53, e.g. `new Random(seed, epoch)`. */
  constructor(...seeds: number[]) {
    let mixed = 0
    for (const seed of seeds) {
      mixed = splitmix32(mixed ^ seed)
      mixed = splitmix32(mixed ^ Math.floor(seed / 2 ** 32))
    }
    for (let i = 0; i < 4; i++) {
      mixed = (mixed + GOLDEN) | 0
      this.state[i] = splitmix32(mixed)
    }
  }

  /** The next whole number from 0 to 2^32 - 1. */
  uint32(): number {
    const s = this.state as unknown as [number, number, number, number]
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0
    const t = s[1] << 9
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = rotateLeft(s[3], 11)
    return result
  }

  /** A whole number from 0 to `limit` - 1, each as likely; `limit` from 1 to 2^32. */
  below(limit: number): number {
    // Numbers of the last, incomplete block are thrown away: a plain remainder would favour the small ones.
    const end = 2 ** 32 - (2 ** 32 % limit)
    let value = this.uint32()
    while (value >= end) value = this.uint32()
    return value % limit
  }

  /** The numbers 0 to `count` - 1 in random order (Fisher-Yates). */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, i) => i)
    this.shuffle(order, 0, count - 1)
    return order
  }

  /** As permutation, in steps between which the event loop turns: for many. */
  async longPermutation(count: number): Promise<Uint32Array> {
    const order = new Uint32Array(count)
    await inSteps(count, (from, to) => {
      for (let i = from; i < to; i++) order[i] = i
    })
    await inSteps(count - 1, (from, to) => this.shuffle(order, from, to))
    return order
  }

  /** Steps `from` to `to` - 1 of Fisher-Yates, which go from the end of the order to its beginning. */
  private shuffle(order: Uint32Array, from: number, to: number): void {
    for (let i = order.length - 1 - from; i > order.length - 1 - to; i--) {
      const j = this.below(i + 1)
      const picked = order[j]!
      order[j] = order[i]!
      order[i] = picked
    }
  }
}

const GOLDEN = 0x9e3779b9

function splitmix32(value: number): number {
  let z = (value + GOLDEN) | 0
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
  return z ^ (z >>> 15)
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
