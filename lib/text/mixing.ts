/** Several sources as one: documents by weight, rows by share. */
import type { PackedBatch, RowSource } from './packing'
import { inSteps } from './pause'
import { Random } from './random'
import type { Tokens } from './tokens'

export interface Part {
  tokens: Tokens
  /** How often each document is there: 2.5 means every one twice, and a random half of them once more. */
  weight: number
}

/**
 * The documents of several sources, each as often as its weight says; nothing is copied. Neighbours that belong
 * `together` are taken or left as one.
 */
export async function weighted(parts: readonly Part[], seed: number, together = 1): Promise<Tokens> {
  const repeated: Repeated[] = []
  for (const [i, part] of parts.entries())
    repeated.push(await Repeated.of(part, new Random(seed, i), together))
  return repeated.length === 1 ? repeated[0]! : new Joined(repeated)
}

/** A source so often, and some of its documents once more. */
class Repeated implements Tokens {
  readonly count: number

  private constructor(
    private readonly tokens: Tokens,
    private readonly whole: number,
    private readonly extra: Uint32Array,
    readonly total: number,
  ) {
    this.count = whole + extra.length
  }

  static async of({ tokens, weight }: Part, random: Random, together: number): Promise<Repeated> {
    const times = Math.floor(weight)
    const groups = tokens.count / together
    const some = Math.round((weight - times) * groups)
    const drawn = some === 0 ? new Uint32Array(0) : await chosen(groups, some, random)
    const extra = together === 1 ? drawn : members(drawn, together)
    let total = times * tokens.total
    await inSteps(extra.length, (from, to) => {
      for (let i = from; i < to; i++) total += tokens.length(extra[i]!)
    })
    return new Repeated(tokens, times * tokens.count, extra, total)
  }

  length(document: number): number {
    return this.tokens.length(this.origin(document))
  }

  firstTarget(document: number): number {
    return this.tokens.firstTarget(this.origin(document))
  }

  read(document: number, from: number, ids: Int32Array, labels: Int32Array): Promise<void> {
    return this.tokens.read(this.origin(document), from, ids, labels)
  }

  private origin(document: number): number {
    return document < this.whole ? document % this.tokens.count : this.extra[document - this.whole]!
  }
}

/** `some` of the numbers 0 to `count` - 1, rising. */
export async function chosen(count: number, some: number, random: Random): Promise<Uint32Array> {
  const order = await random.longPermutation(count)
  const taken = new Uint8Array(count)
  await inSteps(some, (from, to) => {
    for (let i = from; i < to; i++) taken[order[i]!] = 1
  })
  let found = 0
  await inSteps(count, (from, to) => {
    for (let i = from; i < to; i++) if (taken[i] === 1) order[found++] = i
  })
  return order.slice(0, some)
}

/** The documents of groups. */
function members(groups: Uint32Array, together: number): Uint32Array {
  const documents = new Uint32Array(groups.length * together)
  for (let i = 0; i < documents.length; i++)
    documents[i] = groups[Math.floor(i / together)]! * together + (i % together)
  return documents
}

/** Sources one after the other. */
export class Joined implements Tokens {
  readonly count: number
  readonly total: number
  private readonly starts: number[] = []

  constructor(private readonly parts: readonly Tokens[]) {
    this.count = 0
    this.total = 0
    for (const { count, total } of parts) {
      this.starts.push(this.count)
      this.count += count
      this.total += total
    }
  }

  length(document: number): number {
    const part = this.partOf(document)
    return this.parts[part]!.length(document - this.starts[part]!)
  }

  firstTarget(document: number): number {
    const part = this.partOf(document)
    return this.parts[part]!.firstTarget(document - this.starts[part]!)
  }

  read(document: number, from: number, ids: Int32Array, labels: Int32Array): Promise<void> {
    const part = this.partOf(document)
    return this.parts[part]!.read(document - this.starts[part]!, from, ids, labels)
  }

  private partOf(document: number): number {
    let part = this.parts.length - 1
    while (this.starts[part]! > document) part--
    return part
  }
}

/** Rows whose batches number documents from `first` on, for sources that are interleaved. */
export function numberedFrom(first: number, rows: RowSource): RowSource {
  return first === 0 ? rows : renumbered(rows, (document) => document + first)
}

/** Rows whose batches call documents by other numbers. */
export function renumbered(rows: RowSource, numberOf: (document: number) => number): RowSource {
  const { rowLength, rowsPerEpoch } = rows
  const fill = async (row: number, batch: PackedBatch, at: number) => {
    const before = batch.documents.length
    await rows.fill(row, batch, at)
    for (let i = before; i < batch.documents.length; i++) batch.documents[i] = numberOf(batch.documents[i]!)
  }
  return { rowLength, rowsPerEpoch, fill }
}

/** An epoch of the rows of each of several sources, one after the other. */
export function inTurn(sources: readonly RowSource[]): RowSource {
  const [first, ...others] = sources
  if (others.length === 0) return first!
  const { rowLength } = first!
  const rowsPerEpoch = sources.reduce((sum, source) => sum + source.rowsPerEpoch, 0)
  const fill = async (row: number, batch: PackedBatch, at: number) => {
    const epoch = Math.floor(row / rowsPerEpoch)
    let rest = row % rowsPerEpoch
    for (const source of sources) {
      if (rest < source.rowsPerEpoch) return source.fill(epoch * source.rowsPerEpoch + rest, batch, at)
      rest -= source.rowsPerEpoch
    }
  }
  return { rowLength, rowsPerEpoch, fill }
}

/**
 * Rows of several sources, interleaved: each of `others` has its share of them, `main` the rest. Of any n rows in a
 * row, the others together have their share to within one row, each alone to within as many rows as there are others.
 */
export function interleave(
  main: RowSource,
  others: readonly { rows: RowSource; share: number }[],
): RowSource {
  const [first, ...rest] = others
  if (!first) return main
  const share = others.reduce((sum, other) => sum + other.share, 0)
  const relative = rest.map((other) => ({ ...other, share: other.share / share }))
  return new Interleaved(main, interleave(first.rows, relative), share)
}

/**
 * Rows of two sources, interleaved: of any n rows in a row, n * share come from `other`, to within one. Row r is the
 * other's where floor((r + 1) * share) is more than floor(r * share), so which row it is needs no count of the past.
 */
class Interleaved implements RowSource {
  readonly rowLength: number
  /** Rows after which every document of `main` was seen once. */
  readonly rowsPerEpoch: number

  constructor(
    private readonly main: RowSource,
    private readonly other: RowSource,
    /** Above 0, below 1. */
    private readonly share: number,
  ) {
    this.rowLength = main.rowLength
    this.rowsPerEpoch = Math.ceil(main.rowsPerEpoch / (1 - share))
  }

  fill(row: number, batch: PackedBatch, at: number): Promise<void> {
    const before = Math.floor(row * this.share)
    const isOther = Math.floor((row + 1) * this.share) > before
    return isOther ? this.other.fill(before, batch, at) : this.main.fill(row - before, batch, at)
  }
}
