import { inSteps } from './pause'

/** Items in bins: those of bin b are items[starts[b]] to items[starts[b + 1] - 1]. */
export interface BestFit {
  items: Uint32Array
  starts: Uint32Array
}

/**
 * Best fit decreasing: longest first, each into the bin with the least room that still takes it, else into a new one.
 * Equal lengths keep their order. O(n log size) time; 16 bytes an item while it runs, 4 (and 4 a bin) after it.
 * `lengthOf` answers with 1 to `size`, or undefined for an item to leave out.
 */
export async function bestFit(
  count: number,
  lengthOf: (item: number) => number | undefined,
  size: number,
): Promise<BestFit> {
  const sorted = await longestFirst(count, lengthOf, size)
  const binOf = new Uint32Array(sorted.length)
  const rooms = new RoomIndex(size, sorted.length)
  let bins = 0
  await inSteps(sorted.length, (from, to) => {
    for (let i = from; i < to; i++) {
      const length = lengthOf(sorted[i]!)!
      const room = rooms.smallestFrom(length)
      const bin = room === undefined ? bins++ : rooms.take(room)
      binOf[i] = bin
      rooms.add((room ?? size) - length, bin)
    }
  })
  return grouped(sorted, binOf, bins)
}

/** The items by falling length: a counting sort, which is stable. */
async function longestFirst(
  count: number,
  lengthOf: (item: number) => number | undefined,
  size: number,
): Promise<Uint32Array> {
  const next = new Uint32Array(size + 2)
  await inSteps(count, (from, to) => {
    for (let item = from; item < to; item++) {
      const length = lengthOf(item)
      if (length !== undefined) next[size - length + 1]!++
    }
  })
  for (let i = 1; i < next.length; i++) next[i]! += next[i - 1]!
  const sorted = new Uint32Array(next[size + 1]!)
  await inSteps(count, (from, to) => {
    for (let item = from; item < to; item++) {
      const length = lengthOf(item)
      if (length !== undefined) sorted[next[size - length]!++] = item
    }
  })
  return sorted
}

/** Brings the items of each bin together, in the order in which they came to it. */
async function grouped(sorted: Uint32Array, binOf: Uint32Array, bins: number): Promise<BestFit> {
  const starts = new Uint32Array(bins + 1)
  const next = new Uint32Array(bins)
  const items = new Uint32Array(sorted.length)
  await inSteps(sorted.length, (from, to) => {
    for (let i = from; i < to; i++) starts[binOf[i]! + 1]!++
  })
  for (let bin = 0; bin < bins; bin++) {
    starts[bin + 1]! += starts[bin]!
    next[bin] = starts[bin]!
  }
  await inSteps(sorted.length, (from, to) => {
    for (let i = from; i < to; i++) items[next[binOf[i]!]!++] = sorted[i]!
  })
  return { items, starts }
}

const NONE = 2 ** 32 - 1

/** Bins by the room left in them; finds the smallest sufficient room in O(log size) by a tree of counts. */
class RoomIndex {
  private readonly leaves: number
  private readonly counts: Uint32Array
  /** Per room a stack of bins: the one on top, and for each bin the one below it. */
  private readonly top: Uint32Array
  private readonly below: Uint32Array

  constructor(largest: number, maxBins: number) {
    this.leaves = 2 ** Math.ceil(Math.log2(largest + 1))
    this.counts = new Uint32Array(2 * this.leaves)
    this.top = new Uint32Array(largest + 1).fill(NONE)
    this.below = new Uint32Array(maxBins)
  }

  add(room: number, bin: number): void {
    this.below[bin] = this.top[room]!
    this.top[room] = bin
    for (let node = room + this.leaves; node > 0; node >>= 1) this.counts[node]! += 1
  }

  /** Removes and returns the bin that got this room last. */
  take(room: number): number {
    for (let node = room + this.leaves; node > 0; node >>= 1) this.counts[node]! -= 1
    const bin = this.top[room]!
    this.top[room] = this.below[bin]!
    return bin
  }

  smallestFrom(room: number): number | undefined {
    let node = room + this.leaves
    // Up to the first subtree that begins at or after `room` and holds a bin, then down its left-most way.
    while (this.counts[node] === 0) {
      while (node > 1 && node % 2 === 1) node >>= 1
      if (node <= 1) return undefined
      node += 1
    }
    while (node < this.leaves) node = this.counts[2 * node]! > 0 ? 2 * node : 2 * node + 1
    return node - this.leaves
  }
}
