import { IGNORE } from './conversation'
import { Random } from './random'

/** A text or conversation as ids. */
export interface TokenDocument {
  ids: Int32Array
  /** Per token: itself where it is to be learnt, IGNORE elsewhere. Absent: all are. */
  labels?: Int32Array
}

/** Rows of equal length laid end to end, as native's trainer reads them. */
export interface PackedBatch {
  /** (rows x row_length) */
  ids: Int32Array
  /**
   * The id at each place where it is to be predicted from those before it, else IGNORE: first tokens of documents,
   * padding, what a document's own labels leave out. Not shifted.
   */
  labels: Int32Array
  /** Number of the document within its row, PADDING for padding: attention and positions restart where it changes. */
  segments: Int32Array
  rows: number
  row_length: number
  /** Places that are not padding. */
  tokens: number
  /** Labels that are not IGNORE. */
  targets: number
}

export const PADDING = -1

/** Documents arranged in rows; an epoch is a fixed number of them. */
export interface RowSource {
  readonly rowLength: number
  readonly rowsPerEpoch: number
  /** Writes row `row` (counted over all epochs, from 0) into `batch` as its row number `at`. */
  fill(row: number, batch: PackedBatch, at: number): void
}

/** Rows `step * rows` and the following ones: a pure function of source and step, so that resuming needs no state. */
export function packedBatch(source: RowSource, rows: number, step: number): PackedBatch {
  const batch = emptyBatch(rows, source.rowLength)
  for (let at = 0; at < rows; at++) source.fill(step * rows + at, batch, at)
  return batch
}

/** The batches of the first epoch, each row once: for evaluation. The last batch may have fewer rows. */
export function* epochBatches(source: RowSource, rows: number): Generator<PackedBatch> {
  for (let row = 0; row < source.rowsPerEpoch; row += rows) {
    const batch = emptyBatch(Math.min(rows, source.rowsPerEpoch - row), source.rowLength)
    for (let at = 0; at < batch.rows; at++) source.fill(row + at, batch, at)
    yield batch
  }
}

export interface PackingOptions {
  /** Tokens a row, at least 2. */
  rowLength: number
  /** Documents (or rows) come in another order each epoch, a function of seed and epoch; absent: in theirs. */
  seed?: number | undefined
}

/**
 * Packs documents one after the other, splitting them where a row ends. A row repeats the last token of the row before
 * it, so that the token after the split still has one to be predicted from: over an epoch every token is a target
 * exactly once, but for the first of each document. Only the epoch's last row is padded.
 */
export class StreamPacking implements RowSource {
  readonly rowLength: number
  readonly rowsPerEpoch: number
  /** Tokens of all documents together. */
  readonly epochTokens: number
  private readonly documents: readonly TokenDocument[]
  private readonly seed: number | undefined
  private plan: { epoch: number; order: Uint32Array; starts: Float64Array } | undefined

  constructor(documents: readonly TokenDocument[], { rowLength, seed }: PackingOptions) {
    this.documents = documents.filter(({ ids }) => ids.length > 0)
    this.rowLength = rowLength
    this.seed = seed
    this.epochTokens = this.documents.reduce((sum, { ids }) => sum + ids.length, 0)
    this.rowsPerEpoch = Math.ceil(
      Math.max(this.epochTokens - 1, Math.min(this.epochTokens, 1)) / (rowLength - 1),
    )
  }

  fill(row: number, batch: PackedBatch, at: number): void {
    const { order, starts } = this.planOf(Math.floor(row / this.rowsPerEpoch))
    let position = (row % this.rowsPerEpoch) * (this.rowLength - 1)
    let place = 0
    let index = lastNotAbove(starts, position)
    for (let segment = 0; place < this.rowLength && index < order.length; segment++, index++) {
      const document = this.documents[order[index]!]!
      const from = position - starts[index]!
      const count = Math.min(this.rowLength - place, document.ids.length - from)
      writePiece(batch, at * this.rowLength + place, { document, from, count, segment })
      place += count
      position += count
    }
  }

  /** The order of an epoch, and where each of its documents begins. */
  private planOf(epoch: number) {
    if (this.plan?.epoch !== epoch) {
      const order = orderOf(this.documents.length, this.seed, epoch)
      const starts = new Float64Array(order.length)
      for (let i = 1; i < order.length; i++)
        starts[i] = starts[i - 1]! + this.documents[order[i - 1]!]!.ids.length
      this.plan = { epoch, order, starts }
    }
    return this.plan
  }
}

/** The order of `count` things in an epoch: shuffled by seed and epoch, or as they are without a seed. */
export function orderOf(count: number, seed: number | undefined, epoch: number): Uint32Array {
  return seed === undefined
    ? Uint32Array.from({ length: count }, (_, i) => i)
    : new Random(seed, epoch).permutation(count)
}

interface Piece {
  document: TokenDocument
  from: number
  count: number
  segment: number
}

/** Copies a part of a document; its first token has nothing before it in the row, so it is never a target. */
export function writePiece(
  batch: PackedBatch,
  place: number,
  { document, from, count, segment }: Piece,
): void {
  const labels = document.labels ?? document.ids
  batch.ids.set(document.ids.subarray(from, from + count), place)
  batch.labels.set(labels.subarray(from + 1, from + count), place + 1)
  batch.segments.fill(segment, place, place + count)
  batch.tokens += count
  for (let i = place + 1; i < place + count; i++) if (batch.labels[i] !== IGNORE) batch.targets++
}

function emptyBatch(rows: number, rowLength: number): PackedBatch {
  const places = rows * rowLength
  return {
    ids: new Int32Array(places),
    labels: new Int32Array(places).fill(IGNORE),
    segments: new Int32Array(places).fill(PADDING),
    rows,
    row_length: rowLength,
    tokens: 0,
    targets: 0,
  }
}

/** Index of the last of ascending `starts` that is not above `position`. */
function lastNotAbove(starts: Float64Array, position: number): number {
  let [low, high] = [0, starts.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts[middle]! <= position) low = middle
    else high = middle - 1
  }
  return low
}
