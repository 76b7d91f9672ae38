/** How perplexities are spread: a histogram in equal steps of their logarithm, and exact quantiles. */
import { inSteps } from '../text/pause'

export interface Bin {
  from: number
  /** The first value that is not in it; null where the last bin has no end. */
  to: number | null
  documents: number
  tokens: number
}

/** Bins to a factor of ten, of the histogram and of the counts behind it, up to 10 ** DECADES. */
const BINS = 10
const FINE = 1000
const DECADES = 6

const fineBin = (value: number) => Math.min(Math.max(Math.floor(Math.log10(value) * FINE), 0), DECADES * FINE)

/**
 * Values from 1 up, each with its documents (one) and tokens. NaN stands for a document without a value and is left out.
 * Built and asked in steps between which the event loop turns: 16 bytes for each of 6001 counts, beside the values.
 */
export class Distribution {
  documents = 0
  tokens = 0
  private readonly counts = new Float64Array(DECADES * FINE + 1)
  private readonly weights = new Float64Array(DECADES * FINE + 1)

  private constructor(
    private readonly values: Float64Array,
    private readonly tokensOf: (document: number) => number,
  ) {}

  static async of(values: Float64Array, tokensOf: (document: number) => number): Promise<Distribution> {
    const all = new Distribution(values, tokensOf)
    await all.each((document, value) => {
      const bin = fineBin(value)
      const tokens = tokensOf(document)
      all.counts[bin]! += 1
      all.weights[bin]! += tokens
      all.documents += 1
      all.tokens += tokens
    })
    return all
  }

  /** From the first bin with a document to the last. */
  histogram(): Bin[] {
    const step = FINE / BINS
    const bins = Array.from({ length: DECADES * BINS + 1 }, (_, i): Bin => {
      const sum = (counts: Float64Array) =>
        counts.subarray(i * step, (i + 1) * step).reduce((total, count) => total + count, 0)
      const edge = (number: number) => Number((10 ** (number / BINS)).toPrecision(6))
      return {
        from: edge(i),
        to: i === DECADES * BINS ? null : edge(i + 1),
        documents: sum(this.counts),
        tokens: sum(this.weights),
      }
    })
    const filled = bins.flatMap(({ documents }, i) => (documents > 0 ? [i] : []))
    return filled.length === 0 ? [] : bins.slice(filled[0], filled.at(-1)! + 1)
  }

  /** The least value such that a share of all documents, or of all tokens, is not above it; NaN where there is none. */
  async quantile(share: number, by: 'documents' | 'tokens'): Promise<number> {
    const counts = by === 'documents' ? this.counts : this.weights
    const wanted = share * this[by]
    let below = 0
    let bin = 0
    while (bin < counts.length - 1 && below + counts[bin]! < wanted) below += counts[bin++]!
    const inBin: { value: number; weight: number }[] = []
    await this.each((document, value) => {
      if (fineBin(value) !== bin) return
      inBin.push({ value, weight: by === 'documents' ? 1 : this.tokensOf(document) })
    })
    inBin.sort((a, b) => a.value - b.value)
    for (const { value, weight } of inBin) {
      below += weight
      if (below >= wanted) return value
    }
    return inBin.at(-1)?.value ?? Number.NaN
  }

  private each(visit: (document: number, value: number) => void): Promise<void> {
    return inSteps(this.values.length, (from, to) => {
      for (let document = from; document < to; document++) {
        const value = this.values[document]!
        if (!Number.isNaN(value)) visit(document, value)
      }
    })
  }
}
