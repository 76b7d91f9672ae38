/** The run folder of a pipeline: stages/, their record, and model/ at the end. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readJsonObjectIfPresent } from '../../checkpoint/json_file'
import { makeFolder, writeJson } from '../../checkpoint/write_folder'
import type { CompressConfig } from '../../config/compress'
import { discard, rm, rmdir } from '../../writes'
import { ClaimedFolder } from '../training/claimed_folder'
import { StageBook } from './records'

/** Says which training was begun in stages/, so that it is gone on with only where it is still the same. */
const BEGUN = 'begun.json'

export class CompressFolder extends ClaimedFolder<CompressConfig> {
  readonly model: string
  readonly stages: string
  readonly book: StageBook

  constructor(config: CompressConfig, inputs: readonly (string | undefined)[]) {
    super(config, inputs)
    this.model = join(this.path, 'model')
    this.stages = join(this.path, 'stages')
    this.book = new StageBook(this.path, join(this.path, 'metrics.jsonl'))
  }

  /** The report of a run that has come to its end, if it ended with what has this hash. */
  async result(hash: string): Promise<object | undefined> {
    const report = await readJsonObjectIfPresent(join(this.model, 'report.json'), { code: 'ERR_DATA' })
    return report?.inputs_sha256 === hash ? report : undefined
  }

  /** Where a stage's work is: its model folder, or the run folder of its training. */
  place(name: string): string {
    return join(this.stages, name)
  }

  /** The model that a stage has left, if it is still there: in its place, or as the result of an earlier session. */
  async modelOf({ name, hash }: { name: string; hash: string }): Promise<string | undefined> {
    const places = [this.place(name), join(this.place(name), 'model')]
    const found = places.find((place) => existsSync(join(place, 'config.json')))
    return found ?? ((await this.result(hash)) && this.model)
  }

  /** Makes room for a training, or finds the one that was begun for this very hash. */
  async begin(name: string, hash: string): Promise<void> {
    await makeFolder(this.stages)
    const begun = await this.#begun()
    if (begun?.stage === name && begun.inputs_sha256 === hash) return
    await discard(this.place(name))
    await writeJson(this.stages, BEGUN, { stage: name, inputs_sha256: hash })
  }

  /** Once a stage is recorded, what its training would have been gone on with is deleted; other stages have none. */
  async end(name: string): Promise<void> {
    if ((await this.#begun())?.stage !== name) return
    await discard(join(this.place(name), 'checkpoints'))
    await rm(join(this.stages, BEGUN), { force: true })
  }

  /** Which training was begun, and for what; nothing where a kill has cut the marker short. */
  #begun() {
    return readJsonObjectIfPresent(join(this.stages, BEGUN), { code: 'ERR_DATA' }).catch(() => undefined)
  }

  /** Deletes the model of a stage that nobody needs any more; the curves of a training stay. */
  async forget(name: string): Promise<void> {
    const place = this.place(name)
    if (existsSync(join(place, 'config.json'))) return discard(place)
    await discard(join(place, 'model'))
  }

  /** Deletes the model of the last stage, once it is the result; and stages/, where nothing else is in it. */
  async tidy(last: string): Promise<void> {
    await this.forget(last)
    await rmdir(this.stages).catch(() => {})
  }
}
