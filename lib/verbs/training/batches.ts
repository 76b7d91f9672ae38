import { type PackedBatch, packedBatch, type RowSource } from '../../text/packing'

export interface BatchShape {
  /** Rows a batch. */
  rows: number
  /** Batches an update. */
  accumulation: number
  /** Updates of the run. */
  steps: number
}

/** The batches of each update, from 0: those of the next one are read while this one is computed. */
export class Batches {
  private coming: { step: number; batches: Promise<PackedBatch[]> } | undefined

  constructor(
    private readonly source: RowSource,
    private readonly shape: BatchShape,
  ) {}

  async of(step: number): Promise<PackedBatch[]> {
    const batches = await (this.coming?.step === step ? this.coming.batches : this.read(step))
    this.coming = undefined
    if (step + 1 < this.shape.steps) {
      this.coming = { step: step + 1, batches: this.read(step + 1) }
      this.coming.batches.catch(() => {}) // told when it is asked for
    }
    return batches
  }

  private async read(step: number): Promise<PackedBatch[]> {
    const { rows, accumulation } = this.shape
    const batches: PackedBatch[] = []
    for (let micro = 0; micro < accumulation; micro++)
      batches.push(await packedBatch(this.source, rows, step * accumulation + micro))
    return batches
  }
}
