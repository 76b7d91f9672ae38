import { Random } from '../text/random'

/** The random choices that texts are made of. Each use of a seed has its own stream: `new Draw(seed, stream)`. */
export class Draw extends Random {
  /** Uniform in [0, 1). */
  float(): number {
    return this.uint32() / 2 ** 32
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  /** `count` different members of `list`, in random order. */
  sample<T>(list: readonly T[], count: number): T[] {
    return Array.from(this.permutation(list.length).subarray(0, count), (i) => list[i]!)
  }

  /** One of the values, as often as its weight says. */
  weighted<T>(values: readonly (readonly [weight: number, value: T])[]): T {
    let rest = this.float() * values.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, value] of values) {
      if (rest < weight) return value
      rest -= weight
    }
    return values.at(-1)![1]
  }
}
