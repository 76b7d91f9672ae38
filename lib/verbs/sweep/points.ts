/** The points of a sweep: each is measured once, and written down as it comes. */
import { otherConfig } from '../training/checkpoints'
import { StepLines } from '../training/step_lines'

/** A line of metrics.jsonl. */
export interface SweepPoint {
  /** Number of the point, from 1, in the order of measuring. */
  step: number
  /** By what is scaled: `all`, a kind of module, a group of layers. */
  scales: Record<string, number>
  /** Loss by objective. */
  values: Record<string, number>
  /** Of setting the weights and measuring. */
  seconds: number
  /** Of everything that decides the values. */
  inputs_sha256: string
}

export class PointBook {
  private readonly lines: StepLines<SweepPoint>
  private readonly known = new Map<string, SweepPoint>()

  constructor(
    private readonly folder: string,
    file: string,
    private readonly inputsHash: string,
  ) {
    this.lines = new StepLines(file, 'points')
  }

  /** Takes over what an earlier session measured. Throws ERR_CHECKPOINT where that was of other inputs. */
  async open(): Promise<void> {
    for (const point of await this.lines.keep(Number.POSITIVE_INFINITY)) {
      if (point.inputs_sha256 !== this.inputsHash) throw otherConfig(this.folder, 'points')
      this.known.set(keyOf(point.scales), point)
    }
  }

  get all(): SweepPoint[] {
    return [...this.known.values()]
  }

  find(scales: Record<string, number>): SweepPoint | undefined {
    return this.known.get(keyOf(scales))
  }

  async add(scales: Record<string, number>, values: Record<string, number>, seconds: number) {
    const point = { step: this.known.size + 1, scales, values, seconds, inputs_sha256: this.inputsHash }
    await this.lines.record(point)
    this.known.set(keyOf(scales), point)
    return point
  }
}

const keyOf = (scales: Record<string, number>) => JSON.stringify(scales)
