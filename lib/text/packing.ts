import { IGNORE } from './conversation'
import { Offsets } from './offsets'
import { Random } from './random'
import type { Tokens } from './tokens'

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
  /** Which of the source's documents the segments are, row after row. */
  documents: number[]
  /** Of sound, which has no ids: a row's frames laid end to end, of so many values each; 0: samples. */
  sounds?: Float32Array[]
  frame_width?: number
  /** (rows x row_length) Of sound: 1 where it is not heard. */
  hidden?: Int32Array
}

export const PADDING = -1

/** What native code reads of a batch. */
export const nativeRows = ({ ids, labels, segments, rows, sounds, frame_width, hidden }: PackedBatch) => ({
  ...{ ids, labels, segments, rows },
  ...(sounds && { sounds, frame_width: frame_width!, hidden: hidden! }),
})

/** Documents arranged in rows; an epoch is a fixed number of them. */
export interface RowSource {
  readonly rowLength: number
  readonly rowsPerEpoch: number
  /** Writes row `row` (counted over all epochs, from 0) into `batch` as its row number `at`. */
  fill(row: number, batch: PackedBatch, at: number): Promise<void>
}

/** Rows `step * rows` and the following ones: a pure function of source and step, so that resuming needs no state. */
export async function packedBatch(source: RowSource, rows: number, step: number): Promise<PackedBatch> {
  return packedRows(source, step * rows, rows)
}

/** Rows from `first` on. */
export async function packedRows(source: RowSource, first: number, rows: number): Promise<PackedBatch> {
  const batch = emptyBatch(rows, source.rowLength)
  for (let at = 0; at < rows; at++) await source.fill(first + at, batch, at)
  return trimmed(batch)
}

/** The batches of the first epoch, each row once: for evaluation. The last batch may have fewer rows. */
export async function* epochBatches(source: RowSource, rows: number): AsyncGenerator<PackedBatch> {
  for (let row = 0; row < source.rowsPerEpoch; row += rows) {
    const batch = emptyBatch(Math.min(rows, source.rowsPerEpoch - row), source.rowLength)
    for (let at = 0; at < batch.rows; at++) await source.fill(row + at, batch, at)
    yield trimmed(batch)
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
  private readonly seed: number | undefined
  private plan: { epoch: number; laid: Promise<Laid> } | undefined

  constructor(
    private readonly tokens: Tokens,
    { rowLength, seed }: PackingOptions,
  ) {
    this.rowLength = rowLength
    this.seed = seed
    // One token makes a row although nothing in it is a target: that shows in the statistics.
    this.rowsPerEpoch = Math.ceil(Math.max(tokens.total - 1, Math.min(tokens.total, 1)) / (rowLength - 1))
  }

  async fill(row: number, batch: PackedBatch, at: number): Promise<void> {
    const { order, offsets } = await this.laidOut(Math.floor(row / this.rowsPerEpoch))
    const begun = (row % this.rowsPerEpoch) * (this.rowLength - 1)
    let { index, start } = offsets.find(begun)
    const pieces: Piece[] = []
    for (let place = 0; place < this.rowLength && index < order.length; index++) {
      const document = order[index]!
      const length = this.tokens.length(document)
      const from = begun + place - start
      const count = Math.min(this.rowLength - place, length - from)
      if (count > 0) pieces.push({ document, from, count, place })
      start += length
      place += count
    }
    await writeRow(this.tokens, batch, at, pieces)
  }

  /** The order of an epoch, and where each of its documents begins. */
  private laidOut(epoch: number): Promise<Laid> {
    if (this.plan?.epoch !== epoch) this.plan = { epoch, laid: layOut(this.tokens, this.seed, epoch) }
    return this.plan.laid
  }
}

interface Laid {
  order: Uint32Array
  offsets: Offsets
}

async function layOut(tokens: Tokens, seed: number | undefined, epoch: number): Promise<Laid> {
  const order = await orderOf(tokens.count, seed, epoch)
  return { order, offsets: await Offsets.of(order.length, (index) => tokens.length(order[index]!)) }
}

/** The order of `count` things in an epoch: shuffled by seed and epoch, or as they are without a seed. */
export async function orderOf(count: number, seed: number | undefined, epoch: number): Promise<Uint32Array> {
  if (seed !== undefined) return new Random(seed, epoch).longPermutation(count)
  const order = new Uint32Array(count)
  for (let i = 0; i < count; i++) order[i] = i
  return order
}

/** A part of a document, and its place in a row. */
export interface Piece {
  document: number
  from: number
  count: number
  place: number
}

/** Reads the pieces of a row; the first token of each has nothing before it in the row, so it is never a target. */
export async function writeRow(
  tokens: Tokens,
  batch: PackedBatch,
  at: number,
  pieces: readonly Piece[],
): Promise<void> {
  const writes = pieces.map(({ document, from, count, place }, segment) => {
    const first = at * batch.row_length + place
    const [ids, labels] = [batch.ids, batch.labels].map((array) => array.subarray(first, first + count))
    batch.segments.fill(segment, first, first + count)
    batch.documents.push(document)
    batch.tokens += count
    return tokens.read(document, from, ids!, labels!).then(() => {
      labels![0] = IGNORE
      for (let i = 1; i < count; i++) if (labels![i] !== IGNORE) batch.targets++
    })
  })
  await Promise.all(writes)
}

// Rows of text are full, or nearly; utterances have any length, and padding up to the longest in the batch is enough.
function trimmed(batch: PackedBatch): PackedBatch {
  if (!batch.sounds) return batch
  const { rows, row_length: length, segments } = batch
  let longest = 0
  for (const [place, segment] of segments.entries())
    if (segment !== PADDING) longest = Math.max(longest, (place % length) + 1)
  const cut = (values: Int32Array) => {
    const kept = new Int32Array(rows * longest)
    for (let row = 0; row < rows; row++)
      kept.set(values.subarray(row * length, row * length + longest), row * longest)
    return kept
  }
  return {
    ...batch,
    ids: new Int32Array(0),
    labels: cut(batch.labels),
    segments: cut(segments),
    hidden: cut(batch.hidden!),
    row_length: longest,
  }
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
    documents: [],
  }
}
