/** What each stage has left, a line of metrics.jsonl each: the report, and what a run that goes on stands on. */
import type { JsonObject } from '../../checkpoint/json_file'
import type { LayerSpec } from '../../checkpoint/layers'
import { otherConfig } from '../training/checkpoints'
import { StepLines } from '../training/step_lines'
import type { Figures } from './figures'

export interface StageRecord extends Figures {
  /** Number of the stage, from 1; 0: the model that all begin with. */
  step: number
  /** `01-heads`. */
  stage: string
  /** Of the stage. */
  method: string
  /** Its place in the config: `stages.0`. */
  key?: string
  /** Of a stage that is reached in several steps. */
  part?: { number: number; of: number }
  /** The blocks that it has left, and the zeros in their linear layers: what the next stage finds. */
  layers: LayerSpec[]
  /** Weights of those layers that are zero. */
  zeros: number
  /** What the technique, or the training, tells. */
  figures?: JsonObject
  /** On held-out data. */
  loss?: number
  /** exp of `loss`. */
  perplexity?: number
  /** Of those texts. */
  evaluation_sha256?: string
  /** Of the work itself, without measuring and writing. */
  seconds: number
  /** Of everything that decides what it leaves: see identity.ts. */
  inputs_sha256: string
}

export class StageBook {
  private readonly lines: StepLines<StageRecord>
  #all: StageRecord[] = []

  constructor(
    private readonly folder: string,
    file: string,
  ) {
    this.lines = new StepLines(file, 'stages')
  }

  /** Takes over what earlier sessions did. Throws ERR_CHECKPOINT where they began with another model, ERR_DATA. */
  async open(startHash: string): Promise<void> {
    this.#all = await this.lines.keep(Number.POSITIVE_INFINITY)
    const [start] = this.#all
    if (start && start.inputs_sha256 !== startHash) throw otherConfig(this.folder, 'a run')
  }

  get all(): readonly StageRecord[] {
    return this.#all
  }

  get last(): StageRecord {
    return this.#all.at(-1)!
  }

  /** The record of a stage, if what it left is what the stage would leave now. */
  find(step: number, hash: string): StageRecord | undefined {
    const record = this.#all[step]
    return record?.inputs_sha256 === hash ? record : undefined
  }

  /** Drops losses that were measured on other texts; returns of how many stages. */
  dropOtherLosses(evaluation: string | undefined): number {
    const others = this.#all.filter(
      ({ loss, evaluation_sha256 }) => loss !== undefined && evaluation_sha256 !== evaluation,
    )
    this.#all = this.#all.map((record) => {
      if (!others.includes(record)) return record
      const { loss: _, perplexity: _p, evaluation_sha256: _e, ...rest } = record
      return rest
    })
    return others.length
  }

  /** Counts MACs again, of rows of another length say. */
  recount(macsOf: (record: StageRecord) => Figures['macs']): void {
    this.#all = this.#all.map((record) => ({ ...record, macs: macsOf(record) }))
  }

  /** Forgets what came after a stage. */
  async keep(step: number): Promise<void> {
    if (this.#all.length <= step + 1) return
    this.#all = this.#all.slice(0, step + 1)
    await this.lines.write(this.#all)
  }

  async add(record: StageRecord): Promise<void> {
    await this.lines.record(record)
    this.#all.push(record)
  }
}
