/** Records that cannot be read and are left out: counted, told, and kept within what max_invalid allows. */
import { TongueforgeError } from '../errors'

/** Problems that are kept to be shown. */
const PROBLEMS = 5

type Things = 'records' | 'files'

const MEND: Readonly<Record<Things, string>> = {
  records: 'Mend them, say another format, or raise max_invalid: a share below 1, or a count.',
  files: 'Mend or remove them, or raise max_invalid: a share below 1, or a count.',
}

export class Skipped {
  count = 0
  /** What is wrong with the first ones. */
  readonly problems: string[] = []

  /** `maxInvalid`: how many may be left out, a share of the records below 1, a count from 1 on. */
  constructor(
    private readonly path: string,
    private readonly maxInvalid: number,
    private readonly things: Things = 'records',
  ) {}

  /** Throws ERR_DATA once a count is passed. */
  add(error: Error): void {
    if (++this.count <= PROBLEMS) this.problems.push(error.message)
    if (this.maxInvalid >= 1 && this.count > this.maxInvalid)
      throw tooManySkipped(this.path, this.count, this.problems, { things: this.things })
  }

  /** For the end: `all` are all that were read, those left out included. Throws ERR_DATA. */
  check(all: number): void {
    const { count: skipped, problems, things } = this
    checkSkipped(this.path, { skipped, records: all, problems, things }, this.maxInvalid)
  }
}

/** What was left out of a source that was read before. */
export interface SkippedRecords {
  skipped: number
  records: number
  problems: readonly string[]
  things?: Things
}

/** Throws ERR_DATA where more was left out than `maxInvalid` allows. */
export function checkSkipped(
  path: string,
  { skipped, records, problems, things }: SkippedRecords,
  maxInvalid: number,
): void {
  const most = maxInvalid < 1 ? maxInvalid * records : maxInvalid
  if (skipped > most) throw tooManySkipped(path, skipped, problems, { all: records, things })
}

function tooManySkipped(
  path: string,
  skipped: number,
  problems: readonly string[],
  { all, things = 'records' }: { all?: number; things?: Things | undefined },
): TongueforgeError {
  const of = all === undefined ? '' : ` of ${all}`
  return new TongueforgeError(
    'ERR_DATA',
    `${path}: ${skipped}${of} ${things} cannot be read, more than max_invalid allows; the first: ${problems.join('; ')}`,
    { hint: MEND[things], details: { path, skipped, problems: [...problems] } },
  )
}
