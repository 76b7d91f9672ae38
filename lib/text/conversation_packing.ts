import { type BestFit, bestFit } from './best_fit'
import { orderOf, type PackedBatch, type PackingOptions, type RowSource, writeRow } from './packing'
import { inSteps } from './pause'
import type { Tokens } from './tokens'

/**
 * Packs whole conversations, several to a row where they fit: none is split, as an answer without its question teaches
 * nothing. Longest first, each into the row with the least room that still takes it (best fit); the rows, not their
 * content, are shuffled each epoch. Only lengths are looked at: 8 bytes a conversation stay in memory.
 */
export class ConversationPacking implements RowSource {
  readonly rowLength: number
  readonly rowsPerEpoch: number
  private readonly seed: number | undefined
  private plan: { epoch: number; order: Promise<Uint32Array> } | undefined

  private constructor(
    private readonly tokens: Tokens,
    private readonly bins: BestFit,
    { rowLength, seed }: PackingOptions,
  ) {
    this.rowLength = rowLength
    this.seed = seed
    this.rowsPerEpoch = bins.starts.length - 1
  }

  /** Those with nothing to learn in the part that fits are left out. */
  static async of(tokens: Tokens, options: PackingOptions): Promise<ConversationPacking> {
    const { rowLength } = options
    const kept = (document: number) => tokens.firstTarget(document) < rowLength
    const lengthOf = (document: number) =>
      kept(document) ? Math.min(tokens.length(document), rowLength) : undefined
    return new ConversationPacking(tokens, await bestFit(tokens.count, lengthOf, rowLength), options)
  }

  async fill(row: number, batch: PackedBatch, at: number): Promise<void> {
    const order = await this.orderOf(Math.floor(row / this.rowsPerEpoch))
    const bin = order[row % this.rowsPerEpoch]!
    const { items, starts } = this.bins
    let place = 0
    const pieces = Array.from(items.subarray(starts[bin]!, starts[bin + 1]!), (document) => {
      const count = Math.min(this.tokens.length(document), this.rowLength)
      place += count
      return { document, from: 0, count, place: place - count }
    })
    await writeRow(this.tokens, batch, at, pieces)
  }

  private orderOf(epoch: number): Promise<Uint32Array> {
    if (this.plan?.epoch !== epoch) this.plan = { epoch, order: orderOf(this.rowsPerEpoch, this.seed, epoch) }
    return this.plan.order
  }
}

/** What becomes of conversations in rows of a length. */
export interface Fitting {
  /** Conversations that lose their end, as they are longer than a row. */
  truncated: number
  /** Conversations left out, as nothing in the part that fits is to be learnt. */
  dropped: number
}

export async function countFitting(tokens: Tokens, rowLength: number): Promise<Fitting> {
  const counts = { truncated: 0, dropped: 0 }
  await inSteps(tokens.count, (from, to) => {
    for (let document = from; document < to; document++) {
      if (tokens.firstTarget(document) >= rowLength) counts.dropped++
      else if (tokens.length(document) > rowLength) counts.truncated++
    }
  })
  return counts
}
