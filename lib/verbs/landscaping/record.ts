/** What was found at each point, a line of metrics.jsonl each: the table, and what a run that goes on need not do again. */
import { join } from 'node:path'
import type { Rate } from '../../config/landscape'
import type { Figures } from '../compressing/figures'
import type { Seconds } from '../measure'
import type { ProbeFigures } from '../probing/figures'
import { StepLines } from '../training/step_lines'

/** What is measured of a model, whatever made it. */
export interface PointFigures extends Figures {
  /** Mean over the held-out tokens; null where it is no number any more. */
  loss: number | null
  perplexity: number | null
  /** Batch 1, on `measure.threads`. */
  speed: PointSpeed
  /** What loads the model: as in the report of compress. */
  loads_in: 'transformers' | 'tongueforge'
  /** Where they were asked, in the order of the config; null where states are no numbers any more. */
  probes?: ProbeFigures[] | null
}

export interface PointSpeed {
  /** From the prompt to the first token; of an encoder a pass over it, or over the sound. */
  prefill_seconds: Seconds
  /** Of one more token after that; null for an encoder, which says none. */
  decode_seconds: Seconds | null
  /** Prompt and all new tokens. */
  request_seconds: Seconds
  /** The fastest of both over the fastest of the model that all start from, timed in turns with this one. */
  prefill_relative: number
  request_relative: number
  /** Of sound: the seconds of a pass over those of the sound. */
  real_time_factor?: Seconds
}

export interface PointPlace {
  /** Number of the point in the table, from 0: the model that all start from. */
  step: number
  /** `magnitude-0.5`; `original`. */
  point: string
  technique: string
  rate: Rate | null
  /** Of everything that decides the model and its loss, and of how it is measured. */
  inputs_sha256: string
  /** Of what decides its probes, beside the model: sound, labels, settings. */
  probes_sha256?: string
}

/** One compressed model: what it costs, and how good it is. */
export interface LandscapePoint extends PointPlace, PointFigures {
  /** Of making the model: stages and trainings. */
  seconds: number
}

/** A point that could not be made or measured; the others go on, and a resumed run tries again. */
export interface FailedPoint extends PointPlace {
  /** As in TongueforgeError. */
  error: { code: string; message: string; hint: string | undefined }
}

export type PointRecord = LandscapePoint | FailedPoint

export const failed = (record: PointRecord): record is FailedPoint => 'error' in record

export class PointRecords {
  private readonly lines: StepLines<PointRecord>
  #all: PointRecord[] = []

  constructor(folder: string) {
    this.lines = new StepLines(join(folder, 'metrics.jsonl'), 'points')
  }

  /** Takes over what earlier sessions found, but what failed and what is not asked for any more. */
  async open(hashes: ReadonlyMap<string, string>): Promise<void> {
    const found = await this.lines.read()
    this.#all = found.filter((record) => !failed(record) && hashes.get(record.point) === record.inputs_sha256)
    await this.lines.write(this.#all)
  }

  find(point: string): LandscapePoint | undefined {
    const found = this.#all.find((record) => record.point === point)
    return found && !failed(found) ? found : undefined
  }

  /** Those of the named points that are there. */
  inOrder(points: readonly { name: string }[]): PointRecord[] {
    return points.flatMap(({ name }) => this.#all.find(({ point }) => point === name) ?? [])
  }

  /** Adds a point, or what is new of one that is there. */
  async put(record: PointRecord): Promise<void> {
    const known = this.#all.findIndex(({ point }) => point === record.point)
    if (known < 0) await this.lines.record(record)
    else await this.lines.write(this.#all.with(known, record))
    this.#all = known < 0 ? [...this.#all, record] : this.#all.with(known, record)
  }
}
