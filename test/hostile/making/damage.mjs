// A good file damaged: cut off, and with bits turned. What is cut is malformed; a file with a turned bit may be a good one.
import { randomOf } from './random.mjs'

/** Rows of one good file, cut at so many places and with so many bits turned; `row(name, bytes)` makes one. */
export function damaged(name, bytes, row, { cuts = 12, turns = 24, within = bytes.length } = {}) {
  const random = randomOf(name)
  const places = new Set([1, bytes.length - 1])
  while (places.size < Math.min(cuts, bytes.length - 1)) places.add(1 + random.below(bytes.length - 1))
  return [
    ...[...places].map((at) => row(`${name}, cut off at ${at} of ${bytes.length}`, bytes.subarray(0, at))),
    ...Array.from({ length: turns }, (_, i) => {
      const copy = Buffer.from(bytes)
      const at = random.below(within)
      copy[at] ^= 1 << random.below(8)
      return { ...row(`${name}, a bit of byte ${at} turned (${i})`, copy), either: true }
    }),
  ]
}
