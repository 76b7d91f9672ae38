/** Utterances arranged in rows: one a row, or several of one group laid end to end as if they were one. */
import { Random } from '../text/random'
import { LengthBuckets } from './buckets'

/** What packing knows of an utterance. */
export interface PackedUtterance {
  /** Of the model: 10 or 20 ms each. */
  places: number
  /** Utterances of one group may be joined. */
  group: string
}

/** A stretch of an utterance. */
export interface SoundPiece {
  utterance: number
  from: number
  count: number
}

export interface SoundPackingOptions {
  /** Places a row, at most. */
  rowLength: number
  /** Of a batch: rows of about one length stand together, where they are not joined. */
  rows: number
  /** Each epoch in another order, a function of seed and epoch; absent: in theirs. */
  seed?: number | undefined
  /** Lay utterances of a group end to end, so that rows are full; else a row has one of them. */
  join: boolean
}

/** Rows by number over all epochs, a pure function of utterances and options: resuming needs no state. */
export interface SoundPacking {
  readonly rowLength: number
  readonly rowsPerEpoch: number
  row(number: number): Promise<SoundPiece[]>
}

export function packSounds(
  utterances: readonly PackedUtterance[],
  options: SoundPackingOptions,
): SoundPacking {
  if (options.join) return new JoinedPacking(utterances, options)
  return options.seed === undefined
    ? new CutPacking(utterances, options)
    : new CroppedPacking(utterances, options)
}

/**
 * Utterances beside others of about their length, each once an epoch but for those that make no whole batch; of a long one a
 * stretch, each epoch another.
 */
class CroppedPacking implements SoundPacking {
  readonly rowLength: number
  readonly rowsPerEpoch: number
  private readonly buckets: LengthBuckets

  constructor(utterances: readonly PackedUtterance[], { rowLength, rows, seed }: SoundPackingOptions) {
    const places = utterances.map((utterance) => utterance.places)
    this.buckets = new LengthBuckets(places, { rows, seed: seed!, mostPlaces: rowLength })
    this.rowLength = rowLength
    this.rowsPerEpoch = this.buckets.rowsPerEpoch
  }

  async row(number: number): Promise<SoundPiece[]> {
    const { utterance, first, count } = await this.buckets.row(number)
    return [{ utterance, from: first, count }]
  }
}

/** Every place once an epoch: an utterance that is longer than a row is cut into several. */
class CutPacking implements SoundPacking {
  readonly rowLength: number
  readonly rowsPerEpoch: number
  private readonly pieces: SoundPiece[]

  constructor(utterances: readonly PackedUtterance[], { rowLength }: SoundPackingOptions) {
    this.rowLength = rowLength
    this.pieces = utterances.flatMap(({ places }, utterance) =>
      Array.from({ length: Math.ceil(places / rowLength) }, (_, i) => ({
        utterance,
        from: i * rowLength,
        count: Math.min(rowLength, places - i * rowLength),
      })),
    )
    this.rowsPerEpoch = this.pieces.length
  }

  async row(number: number): Promise<SoundPiece[]> {
    return [this.pieces[number % this.rowsPerEpoch]!]
  }
}

/** Every place once an epoch, in full rows but for the last one of each group. */
class JoinedPacking implements SoundPacking {
  readonly rowLength: number
  readonly rowsPerEpoch: number
  private readonly groups: number[][]
  private plan: { epoch: number; rows: SoundPiece[][] } | undefined

  constructor(
    private readonly utterances: readonly PackedUtterance[],
    private readonly options: SoundPackingOptions,
  ) {
    this.rowLength = options.rowLength
    const groups = new Map<string, number[]>()
    for (const [i, { group }] of utterances.entries()) {
      const known = groups.get(group)
      if (known) known.push(i)
      else groups.set(group, [i])
    }
    this.groups = [...groups.values()]
    const places = (group: readonly number[]) => group.reduce((sum, i) => sum + utterances[i]!.places, 0)
    this.rowsPerEpoch = this.groups.reduce((sum, group) => sum + Math.ceil(places(group) / this.rowLength), 0)
  }

  async row(number: number): Promise<SoundPiece[]> {
    const epoch = Math.floor(number / this.rowsPerEpoch)
    if (this.plan?.epoch !== epoch) this.plan = { epoch, rows: this.layOut(epoch) }
    return this.plan.rows[number % this.rowsPerEpoch]!
  }

  private layOut(epoch: number): SoundPiece[][] {
    const { seed } = this.options
    const rows: SoundPiece[][] = []
    for (const [number, group] of this.groups.entries()) {
      const order = seed === undefined ? group : shuffled(group, new Random(seed, epoch, number))
      rows.push(...this.filled(order))
    }
    return seed === undefined ? rows : shuffled(rows, new Random(seed, epoch))
  }

  private filled(order: readonly number[]): SoundPiece[][] {
    const rows: SoundPiece[][] = []
    let room = 0
    for (const utterance of order) {
      const { places } = this.utterances[utterance]!
      for (let from = 0; from < places; ) {
        if (room === 0) {
          rows.push([])
          room = this.rowLength
        }
        const count = Math.min(places - from, room)
        rows.at(-1)!.push({ utterance, from, count })
        from += count
        room -= count
      }
    }
    return rows
  }
}

const shuffled = <Item>(items: readonly Item[], random: Random): Item[] =>
  [...random.permutation(items.length)].map((i) => items[i]!)
