import { IGNORE } from './conversation'
import {
  orderOf,
  type PackedBatch,
  type PackingOptions,
  type RowSource,
  type TokenDocument,
  writePiece,
} from './packing'

/**
 * Packs whole conversations, several to a row where they fit: none is split, as an answer without its question teaches
 * nothing. Longest first, each into the row with the least room that still takes it (best fit); the rows, not their
 * content, are shuffled each epoch.
 */
export class ConversationPacking implements RowSource {
  readonly rowLength: number
  readonly rowsPerEpoch: number
  /** Conversations that lost their end, as they are longer than a row. */
  readonly truncated: number
  /** Conversations left out, as nothing in the part that fits is to be learnt. */
  readonly dropped: number
  private readonly bins: TokenDocument[][]
  private readonly seed: number | undefined
  private plan: { epoch: number; order: Uint32Array } | undefined

  constructor(conversations: readonly TokenDocument[], { rowLength, seed }: PackingOptions) {
    const cut = conversations.map((conversation) => truncate(conversation, rowLength))
    const kept = cut.filter(hasTarget)
    this.rowLength = rowLength
    this.seed = seed
    this.truncated = conversations.filter(({ ids }, i) => ids.length > rowLength && hasTarget(cut[i]!)).length
    this.dropped = cut.length - kept.length
    this.bins = bestFit(kept, rowLength)
    this.rowsPerEpoch = this.bins.length
  }

  fill(row: number, batch: PackedBatch, at: number): void {
    const epoch = Math.floor(row / this.rowsPerEpoch)
    if (this.plan?.epoch !== epoch) this.plan = { epoch, order: orderOf(this.bins.length, this.seed, epoch) }
    let place = at * this.rowLength
    this.bins[this.plan.order[row % this.rowsPerEpoch]!]!.forEach((document, segment) => {
      const count = document.ids.length
      writePiece(batch, place, { document, from: 0, count, segment })
      place += count
    })
  }
}

function truncate({ ids, labels }: TokenDocument, length: number): TokenDocument {
  const cut: TokenDocument = { ids: ids.subarray(0, length) }
  if (labels) cut.labels = labels.subarray(0, length)
  return cut
}

function hasTarget({ ids, labels = ids }: TokenDocument): boolean {
  return labels.subarray(1).some((label) => label !== IGNORE)
}

function bestFit(documents: readonly TokenDocument[], rowLength: number): TokenDocument[][] {
  const bins: TokenDocument[][] = []
  const byRoom = new RoomIndex(rowLength)
  // The sort is stable: equal lengths stay in the order of the data.
  for (const document of [...documents].sort((a, b) => b.ids.length - a.ids.length)) {
    const length = document.ids.length
    const room = byRoom.smallestFrom(length)
    const bin = room === undefined ? bins.push([]) - 1 : byRoom.take(room)
    bins[bin]!.push(document)
    byRoom.add((room ?? rowLength) - length, bin)
  }
  return bins
}

/** Bins by the room left in them; finds the smallest sufficient room in O(log rowLength) by a tree of counts. */
class RoomIndex {
  private readonly leaves: number
  private readonly counts: Uint32Array
  private readonly bins: number[][]

  constructor(largest: number) {
    this.leaves = 2 ** Math.ceil(Math.log2(largest + 1))
    this.counts = new Uint32Array(2 * this.leaves)
    this.bins = Array.from({ length: largest + 1 }, () => [])
  }

  add(room: number, bin: number): void {
    this.bins[room]!.push(bin)
    for (let node = room + this.leaves; node > 0; node >>= 1) this.counts[node]! += 1
  }

  /** Removes and returns the bin that got this room last. */
  take(room: number): number {
    for (let node = room + this.leaves; node > 0; node >>= 1) this.counts[node]! -= 1
    return this.bins[room]!.pop()!
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
