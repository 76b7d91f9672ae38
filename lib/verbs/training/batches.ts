import { type PackedBatch, packedBatch, type RowSource } from '../../text/packing'

export interface BatchShape {
  /** Rows a batch. */
  rows: number
  /** Micro-batches a batch. */
  accumulation: number
}

/** What each update learns from, by number from 0: the next one is read while this one is computed. */
export class Batches {
  private coming: { number: number; batches: Promise<PackedBatch[]> } | undefined

  constructor(
    private readonly source: RowSource,
    private readonly shape: BatchShape,
  ) {}

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

  async read(number: number): Promise<PackedBatch[]> {
    const { rows, accumulation } = this.shape
    const batches: PackedBatch[] = []
    for (let micro = 0; micro < accumulation; micro++)
      batches.push(await packedBatch(this.source, rows, number * accumulation + micro))
    return batches
  }
}
