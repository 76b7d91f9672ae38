import { type BestFit, bestFit } from './best_fit'
import { orderOf, type PackedBatch, type PackingOptions, type RowSource, writeRow } from './packing'
import { inSteps } from './pause'
import type { Tokens } from './tokens'

export interface ConversationPackingOptions extends PackingOptions {
  /** So many neighbouring documents always share a row, in their order: 2 for the answers of a preference. */
  together?: number | undefined
}

/**
 * Packs whole conversations, several to a row where they fit: none is split, as an answer without its question teaches
 * nothing. Longest first, each into the row with the least room that still takes it (best fit); the rows, not their
 * content, are shuffled each epoch. Only lengths are looked at: 8 bytes a conversation stay in memory. Where those that
 * belong together are longer than a row, the longer ones lose their ends until all fit.
 */
export class ConversationPacking implements RowSource {
  readonly rowLength: number
  readonly rowsPerEpoch: number
  private readonly seed: number | undefined
  private plan: { epoch: number; order: Promise<Uint32Array> } | undefined

  private constructor(
    private readonly tokens: Tokens,
    private readonly fitted: Fitted,
    private readonly bins: BestFit,
    { rowLength, seed }: PackingOptions,
  ) {
    this.rowLength = rowLength
    this.seed = seed
    this.rowsPerEpoch = bins.starts.length - 1
  }

  /** Those with nothing to learn in the part that fits are left out. */
  static async of(tokens: Tokens, options: ConversationPackingOptions): Promise<ConversationPacking> {
    const { rowLength, together = 1 } = options
    const fitted = new Fitted(tokens, rowLength, together)
    const lengthOf = (group: number) => fitted.lengths(group)?.reduce((sum, length) => sum + length)
    const bins = await bestFit(fitted.count, lengthOf, rowLength)
    return new ConversationPacking(tokens, fitted, bins, options)
  }

  async fill(row: number, batch: PackedBatch, at: number): Promise<void> {
    const order = await this.orderOf(Math.floor(row / this.rowsPerEpoch))
    const bin = order[row % this.rowsPerEpoch]!
    const { items, starts } = this.bins
    let place = 0
    const pieces = [...items.subarray(starts[bin]!, starts[bin + 1]!)].flatMap((group) =>
      this.fitted.lengths(group)!.map((count, i) => {
        place += count
        return { document: this.fitted.first(group) + i, from: 0, count, place: place - count }
      }),
    )
    await writeRow(this.tokens, batch, at, pieces)
  }

  private orderOf(epoch: number): Promise<Uint32Array> {
    if (this.plan?.epoch !== epoch) this.plan = { epoch, order: orderOf(this.rowsPerEpoch, this.seed, epoch) }
    return this.plan.order
  }
}

/** What becomes of conversations, or of those that belong together, in rows of a length. */
export interface Fitting {
  /** Those that lose an end, as they are longer than a row. */
  truncated: number
  /** Those left out, as nothing in a part that fits is to be learnt. */
  dropped: number
}

export async function countFitting(tokens: Tokens, rowLength: number, together = 1): Promise<Fitting> {
  const fitted = new Fitted(tokens, rowLength, together)
  const counts = { truncated: 0, dropped: 0 }
  await inSteps(fitted.count, (from, to) => {
    for (let group = from; group < to; group++) {
      if (fitted.lengths(group) === undefined) counts.dropped++
      else if (fitted.total(group) > rowLength) counts.truncated++
    }
  })
  return counts
}

/** Groups of neighbouring documents, and what a row takes of each. */
class Fitted {
  readonly count: number

  constructor(
    private readonly tokens: Tokens,
    private readonly rowLength: number,
    private readonly together: number,
  ) {
    this.count = tokens.count / together
  }

  first(group: number): number {
    return group * this.together
  }

  total(group: number): number {
    return this.#whole(group).reduce((sum, length) => sum + length)
  }

  /** Tokens that a row takes of each document; undefined where nothing is to be learnt in one of them. */
  lengths(group: number): number[] | undefined {
    const lengths = shares(this.#whole(group), this.rowLength)
    const learnt = (length: number, i: number) => this.tokens.firstTarget(this.first(group) + i) < length
    return lengths.every(learnt) ? lengths : undefined
  }

  #whole(group: number): number[] {
    return Array.from({ length: this.together }, (_, i) => this.tokens.length(this.first(group) + i))
  }
}

/** Divides a row: short documents get all they need, the others equal shares of the rest. */
function shares(lengths: readonly number[], rowLength: number): number[] {
  const given = [...lengths]
  const shortestFirst = [...lengths.keys()].sort((a, b) => lengths[a]! - lengths[b]!)
  let room = rowLength
  shortestFirst.forEach((index, i) => {
    given[index] = Math.min(lengths[index]!, Math.floor(room / (lengths.length - i)))
    room -= given[index]!
  })
  return given
}
