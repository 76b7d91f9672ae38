/** Rows of sound with clusters to foretell, as native's trainer reads them. */
import { IGNORE } from '../text/conversation'
import type { PackedBatch, RowSource } from '../text/packing'
import { Random } from '../text/random'
import type { Frames } from './heard_frames'
import { type HidingSpans, hideSpans } from './hiding'
import type { PackedUtterance, SoundPacking } from './sound_packing'

export interface LabelledSound extends PackedUtterance {
  path: string
  /** What `count` places from `from` on are made of. */
  piece(from: number, count: number): Promise<Frames>
  /** The cluster of each place. */
  labels: Int32Array
}

export interface SoundRowsOptions {
  spans: HidingSpans
  /** Of what is hidden: with the number of the row, so that each epoch hides other places. */
  seeds: readonly number[]
}

export class SoundRows implements RowSource {
  readonly rowLength: number
  readonly rowsPerEpoch: number

  constructor(
    private readonly utterances: readonly LabelledSound[],
    private readonly packing: SoundPacking,
    private readonly options: SoundRowsOptions,
  ) {
    this.rowLength = packing.rowLength
    this.rowsPerEpoch = packing.rowsPerEpoch
  }

  async fill(row: number, batch: PackedBatch, at: number): Promise<void> {
    const pieces = await this.packing.row(row)
    const heard = await Promise.all(
      pieces.map(({ utterance, from, count }) => this.utterances[utterance]!.piece(from, count)),
    )
    const places = pieces.reduce((sum, { count }) => sum + count, 0)
    const begin = at * batch.row_length
    const labels = batch.labels.subarray(begin, begin + places)
    let place = 0
    for (const { utterance, from, count } of pieces) {
      labels.set(this.utterances[utterance]!.labels.subarray(from, from + count), place)
      batch.documents.push(utterance)
      place += count
    }
    const hidden = hideSpans(places, this.options.spans, new Random(...this.options.seeds, row))
    for (const [i, isHidden] of hidden.entries()) if (isHidden === 0) labels[i] = IGNORE
    batch.segments.fill(0, begin, begin + places)
    batch.hidden ??= new Int32Array(batch.labels.length)
    batch.hidden.set(hidden, begin)
    batch.sounds ??= []
    batch.sounds[at] = joined(heard.map(({ data }) => data))
    batch.frame_width = heard[0]!.width
    batch.tokens += places
    batch.targets += hidden.reduce((sum, one) => sum + one, 0)
  }
}

function joined(pieces: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}
