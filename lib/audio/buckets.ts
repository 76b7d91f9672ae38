/** The order in which utterances are learnt from: neighbours of about one length, so that little of a batch is padding. */
import { TongueforgeError } from '../errors'
import { inSteps, pause } from '../text/pause'
import { Random } from '../text/random'

export interface BucketOptions {
  /** Utterances of a batch. */
  rows: number
  /** Of the order, with the number of the epoch. */
  seed: number
  /** Utterances of fewer places are left out and counted; default: 1. */
  leastPlaces?: number
  /** Of a longer one, only so many places are read, from a place of its own each time; default: all. */
  mostPlaces?: number
  /** Utterances that are sorted by length together, in batches; default: 64. More: less padding, less chance. */
  batchesSorted?: number
}

/** What a row of a batch reads. */
export interface BucketRow {
  /** Number of the utterance in the list. */
  utterance: number
  /** Places of it: `count` from `first` on. */
  first: number
  count: number
}

/**
 * Rows are numbered over all epochs, from 0; a batch is `rows` neighbours. What a row reads is a pure function of lengths,
 * options and its number, so that to resume takes no state. In an epoch every utterance is read once, but for those that
 * make no whole batch: others each epoch, as the order is drawn anew.
 */
export class LengthBuckets {
  readonly rowsPerEpoch: number
  /** Utterances that are too short. */
  readonly dropped: number
  readonly #kept: Uint32Array
  readonly #most: number
  #plan: { epoch: number; order: Promise<Uint32Array> } | undefined

  /** `places`: of each utterance. Throws ERR_DATA where all are too short. */
  constructor(
    private readonly places: readonly number[] | Uint32Array,
    private readonly options: BucketOptions,
  ) {
    const { leastPlaces = 1, mostPlaces = Number.POSITIVE_INFINITY, rows } = options
    this.#most = mostPlaces
    this.#kept = Uint32Array.from(places.keys()).filter((i) => places[i]! >= leastPlaces)
    this.dropped = places.length - this.#kept.length
    const count = this.#kept.length
    if (count === 0) throw nothingLeft(places.length, leastPlaces)
    this.rowsPerEpoch = count < rows ? count : count - (count % rows)
  }

  async row(number: number): Promise<BucketRow> {
    const epoch = Math.floor(number / this.rowsPerEpoch)
    if (this.#plan?.epoch !== epoch) this.#plan = { epoch, order: this.#order(epoch) }
    const utterance = (await this.#plan.order)[number % this.rowsPerEpoch]!
    const length = this.places[utterance]!
    const count = Math.min(length, this.#most)
    const first = count === length ? 0 : new Random(this.options.seed, number, CROP).below(length - count + 1)
    return { utterance, first, count }
  }

  /** Utterances shuffled, sorted by length some batches at a time, then the batches shuffled. */
  async #order(epoch: number): Promise<Uint32Array> {
    const { seed, rows, batchesSorted = 64 } = this.options
    const drawn = await new Random(seed, epoch).longPermutation(this.#kept.length)
    const order = drawn.map((i) => this.#kept[i]!).subarray(0, this.rowsPerEpoch)
    const together = rows * batchesSorted
    for (let from = 0; from < order.length; from += together) {
      order.subarray(from, from + together).sort((a, b) => this.#length(a) - this.#length(b) || a - b)
      await pause()
    }
    const batches = Math.floor(order.length / rows)
    const turns = await new Random(seed, epoch, BATCHES).longPermutation(batches)
    const result = order.slice()
    await inSteps(batches, (from, to) => {
      for (let i = from; i < to; i++)
        result.set(order.subarray(turns[i]! * rows, (turns[i]! + 1) * rows), i * rows)
    })
    return result
  }

  #length(utterance: number): number {
    return Math.min(this.places[utterance]!, this.#most)
  }
}

const nothingLeft = (all: number, least: number) =>
  new TongueforgeError(
    'ERR_DATA',
    `expected utterances of at least ${least} places, received ${all} shorter ones`,
    { hint: 'Take longer ones, or ask for fewer places.', details: { utterances: all, least } },
  )

/** What numbers are drawn for, beside the order of utterances. */
const BATCHES = 1
const CROP = 2
