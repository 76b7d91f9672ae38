import { IGNORE } from './conversation'
import { bodyOf, type EncodedFrame } from './inscp_frame'
import type { Tokens } from './tokens'

/** InsCP's documents with their own text, not the template around it, as what is predicted, whatever is learnt. */
export class Bodies implements Tokens {
  constructor(
    private readonly tokens: Tokens,
    private readonly frame: EncodedFrame,
  ) {}

  get count(): number {
    return this.tokens.count
  }

  get total(): number {
    return this.tokens.total
  }

  length(document: number): number {
    return this.tokens.length(document)
  }

  /** At the earliest: where the frame ends is known when the document is read. */
  firstTarget(_document: number): number {
    return 1
  }

  async read(document: number, from: number, ids: Int32Array, labels: Int32Array): Promise<void> {
    await this.tokens.read(document, from, ids, labels)
    const { start, end } = await this.body(document, ids)
    for (let i = 0; i < ids.length; i++) labels[i] = from + i >= start && from + i < end ? ids[i]! : IGNORE
  }

  private async body(document: number, read: Int32Array): Promise<{ start: number; end: number }> {
    const length = this.length(document)
    if (read.length === length) return bodyOf(read, this.frame)
    // A part of a document does not show where its text begins and ends.
    const [first, last] = [this.frame.before.length, this.frame.after.length]
    const head = await this.ids(document, 0, Math.min(first, length))
    const tail = await this.ids(document, Math.max(length - last, 0), Math.min(last, length))
    const { end } = bodyOf(tail, this.frame)
    return { start: bodyOf(head, this.frame).start, end: length - tail.length + end }
  }

  private async ids(document: number, from: number, count: number): Promise<Int32Array> {
    const ids = new Int32Array(count)
    await this.tokens.read(document, from, ids, new Int32Array(count))
    return ids
  }
}
