import { type PackedBatch, packedRows, type RowSource } from '../../text/packing'

export interface BatchShape {
  /** Rows a micro-batch, at most. */
  rows: number
  /** Micro-batches a batch, of all processes together. */
  accumulation: number
  /** Which of so many equal shares is read; the others are other processes'. */
  share: { index: number; of: number }
}

/** What each update learns from, by number from 0: the next one is read while this one is computed. */
export class Batches {
  /** Number of the first micro-batch among those of all processes: two never have the same. */
  readonly firstMicroBatch: number
  private coming: { number: number; batches: Promise<PackedBatch[]> } | undefined

  constructor(
    private readonly source: RowSource,
    private readonly shape: BatchShape,
  ) {
    const { accumulation, share } = shape
    const areWhole = accumulation % share.of === 0
    this.firstMicroBatch = areWhole
      ? (accumulation / share.of) * share.index
      : accumulation * (1 + share.index)
  }

  /** The micro-batches of a batch; `goesOn`: the next one will be asked for. */
  async of(number: number, goesOn: boolean): Promise<PackedBatch[]> {
    const batches = await (this.coming?.number === number ? this.coming.batches : this.read(number))
    this.coming = undefined
    if (goesOn) {
      this.coming = { number: number + 1, batches: this.read(number + 1) }
      this.coming.batches.catch(() => {}) // told when it is asked for
    }
    return batches
  }

  async read(number: number, { index, of } = this.shape.share): Promise<PackedBatch[]> {
    const { rows, accumulation } = this.shape
    const all = rows * accumulation
    const end = number * all + Math.floor((all * (index + 1)) / of)
    const batches: PackedBatch[] = []
    for (let row = number * all + Math.floor((all * index) / of); row < end; row += rows)
      batches.push(await packedRows(this.source, row, Math.min(rows, end - row)))
    return batches
  }

  /** Of all processes. */
  async readAll(number: number): Promise<PackedBatch[]> {
    return this.read(number, { index: 0, of: 1 })
  }
}
