// Numbers of one seed: what a case is made of depends on the seed and the case's own name alone, so that adding a case
// changes no other one.

/** TONGUEFORGE_SEED repeats an earlier run. */
export const seed = Number(process.env.TONGUEFORGE_SEED ?? 20261126)

/** A generator of one name; mulberry32 over a hash of seed and name. */
export function randomOf(name) {
  let state = seed | 0
  for (let i = 0; i < name.length; i++) state = Math.imul(state ^ name.charCodeAt(i), 0x01000193)
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    /** A whole number from 0 to below n. */
    below: (n) => Math.floor(next() * n),
    pick: (list) => list[Math.floor(next() * list.length)],
    bytes: (count) => Buffer.from(Array.from({ length: count }, () => Math.floor(next() * 256))),
  }
}
