/**
 * The generator behind Python's `random` (MT19937, Matsumoto and Nishimura 1998), seeded with a whole number as CPython
 * does it: whoever wants the examples that a Python program drew has to draw them the same way. Not for secrets.
 */
export class PythonRandom {
  readonly #state = new Uint32Array(SIZE)
  #next = SIZE

  /** `seed`: a whole number up to 2^53; its sign does not count, as in Python. */
  constructor(seed: number) {
    const size = Math.abs(seed)
    const high = Math.floor(size / 2 ** 32)
    this.#seedByArray(high > 0 ? [size >>> 0, high] : [size >>> 0])
  }

  /** The next whole number from 0 to 2^32 - 1. */
  uint32(): number {
    if (this.#next === SIZE) this.#twist()
    let y = this.#state[this.#next++]!
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }

  /** A whole number from 0 to `limit` - 1, each as likely; `limit` from 1 to 2^31. */
  below(limit: number): number {
    const bits = 32 - Math.clz32(limit)
    let value = this.uint32() >>> (32 - bits)
    while (value >= limit) value = this.uint32() >>> (32 - bits)
    return value
  }

  /** `random.sample(range(size), count)`: indices in the order that they are drawn, none twice. */
  sample(size: number, count: number): number[] {
    // Up to here CPython swaps within a list; beyond, it draws again what it has drawn before.
    const listed = 21 + (count > 5 ? 4 ** Math.ceil(Math.log(count * 3) / Math.log(4)) : 0)
    return size <= listed ? this.#sampleList(size, count) : this.#sampleSet(size, count)
  }

  #sampleList(size: number, count: number): number[] {
    const pool = Array.from({ length: size }, (_, i) => i)
    return Array.from({ length: count }, (_, i) => {
      const j = this.below(size - i)
      const drawn = pool[j]!
      pool[j] = pool[size - i - 1]!
      return drawn
    })
  }

  #sampleSet(size: number, count: number): number[] {
    const drawn = new Set<number>()
    while (drawn.size < count) drawn.add(this.below(size))
    return [...drawn]
  }

  #seedByArray(key: readonly number[]): void {
    const state = this.#state
    state[0] = 19650218
    for (let i = 1; i < SIZE; i++) state[i] = Math.imul(1812433253, mixed(state, i - 1)) + i
    let i = 1
    for (let step = 0; step < SIZE; step++) {
      const j = step % key.length
      state[i] = (state[i]! ^ Math.imul(mixed(state, i - 1), 1664525)) + key[j]! + j
      i = this.#wrapped(i + 1)
    }
    for (let step = 0; step < SIZE - 1; step++) {
      state[i] = (state[i]! ^ Math.imul(mixed(state, i - 1), 1566083941)) - i
      i = this.#wrapped(i + 1)
    }
    state[0] = 0x80000000
  }

  // Past the end the last number goes to the front, and it goes on with the second.
  #wrapped(i: number): number {
    if (i < SIZE) return i
    this.#state[0] = this.#state[SIZE - 1]!
    return 1
  }

  #twist(): void {
    const state = this.#state
    for (let i = 0; i < SIZE; i++) {
      const y = (state[i]! & 0x80000000) | (state[(i + 1) % SIZE]! & 0x7fffffff)
      state[i] = state[(i + PERIOD) % SIZE]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0)
    }
    this.#next = 0
  }
}

const SIZE = 624
const PERIOD = 397

const mixed = (state: Uint32Array, i: number) => state[i]! ^ (state[i]! >>> 30)
