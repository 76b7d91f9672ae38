/** What stages have come to, a line of stages.jsonl each: the record, and what a run that goes on need not do again. */
import { join } from 'node:path'
import type { JsonObject } from '../../checkpoint/json_file'
import { StepLines } from '../training/step_lines'
import type { StageVerb } from './stage'

export interface AdaptStage {
  /** Number of the stage, from 1. */
  step: number
  /** Name of its folder. */
  stage: string
  /** What was done. */
  verb: StageVerb
  /** By verb: updates and losses, the scale, tokens of the vocabulary. */
  figures: JsonObject
  /** Of everything that decides what the stage leaves. */
  inputs_sha256: string
  /** That it took. */
  seconds: number
}

export class StageRecords {
  private readonly lines: StepLines<AdaptStage>
  #all: AdaptStage[] = []

  constructor(folder: string) {
    this.lines = new StepLines(join(folder, 'stages.jsonl'), 'stages')
  }

  async open(): Promise<void> {
    this.#all = await this.lines.keep(Number.POSITIVE_INFINITY)
  }

  /** Whether a stage was done, if not as it would be now. */
  has(stage: string): boolean {
    return this.#all.some((record) => record.stage === stage)
  }

  /** The record of a stage that is as it was. */
  find(stage: string, hash: string): AdaptStage | undefined {
    return this.#all.find((record) => record.stage === stage && record.inputs_sha256 === hash)
  }

  /** In the place of one that is no more. */
  async put(record: AdaptStage): Promise<void> {
    const others = this.#all.filter(({ stage }) => stage !== record.stage)
    if (others.length === this.#all.length) await this.lines.record(record)
    else await this.lines.write([...others, record])
    this.#all = [...others, record]
  }
}
