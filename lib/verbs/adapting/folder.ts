/** The run folder of an adaptation: stages/ with a folder for each, their record, tasks/, and model/ at the end. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readJsonObjectIfPresent } from '../../checkpoint/json_file'
import type { AdaptConfig } from '../../config/adapt'
import { readdir } from '../../files'
import { discard, rm } from '../../writes'
import { type Claim, ClaimedFolder } from '../training/claimed_folder'
import { pathsIn, taskFiles } from '../training/read_paths'
import { StageRecords } from './records'
import { configOf, type ModelRef, type PlannedStage } from './stage'

/** What a verb that writes a model folder tells of its work: it stays where the model goes. */
const RECORD = new Set(['report.json', 'resolved.yaml', 'provenance.json', 'README.md'])

export class AdaptFolder extends ClaimedFolder<AdaptConfig> {
  readonly model: string
  readonly compressed: string
  readonly stages: string
  readonly tasks: string
  readonly records: StageRecords

  constructor(config: AdaptConfig) {
    super(config, inputsOf(config))
    this.model = join(this.path, 'model')
    this.compressed = join(this.path, 'compressed')
    this.stages = join(this.path, 'stages')
    this.tasks = join(this.path, 'tasks')
    this.records = new StageRecords(this.path)
  }

  /** As of every run; and going on from its own result, which `model/` is, would replace it under itself. */
  override async check(claim: Claim): Promise<boolean> {
    const replaces = await super.check(claim)
    if (existsSync(this.path)) await this.checkApart([this.config.chat, this.config.base])
    return replaces
  }

  place(stage: string): string {
    return join(this.stages, stage)
  }

  /** Of a model that may not be there yet. */
  pathOf(model: ModelRef): string {
    return 'stage' in model ? this.place(model.stage) : model.folder
  }

  /** What the verb of a stage is told. */
  configOf(stage: PlannedStage): object {
    return configOf(stage, this.place(stage.name), (model) => this.pathOf(model))
  }

  /** Whether the model of a stage is there: in its place, or in the run folder of its verb. */
  hasModel(stage: string): boolean {
    const place = this.place(stage)
    return [place, join(place, 'model')].some((path) => existsSync(join(path, 'config.json')))
  }

  /** A training that has come to its end will not be gone on with. */
  async end(stage: string): Promise<void> {
    await discard(join(this.place(stage), 'checkpoints'))
  }

  /** Deletes the model of a stage; what its verb tells of the work stays. */
  async forget(stage: string): Promise<void> {
    const place = this.place(stage)
    for (const name of ['model', 'adapter']) await discard(join(place, name))
    if (!existsSync(join(place, 'config.json'))) return
    const gone = (await readdir(place)).filter((name) => !RECORD.has(name))
    // What makes it a model goes last: who is stopped in between finds the rest of it the next time.
    gone.sort((a, b) => Number(a === 'config.json') - Number(b === 'config.json'))
    for (const name of gone) await rm(join(place, name), { recursive: true, force: true })
  }

  /** The report of a result that was published, if it is of what has this hash. */
  async published(place: string, hash: string): Promise<object | undefined> {
    const report = await readJsonObjectIfPresent(join(place, 'report.json'), { code: 'ERR_DATA' })
    return report?.inputs_sha256 === hash ? report : undefined
  }
}

// Keys of other verbs are checked later, by them.
function inputsOf(config: AdaptConfig): (string | undefined)[] {
  const { chat, base, evaluate, training, objectives, arms, vocabulary, compress } = config
  const sources = [config.corpus, config.instructions, config.preferences, ...Object.values(config.held_out)]
  return [
    ...[chat, base, evaluate.data, ...taskFiles(evaluate.tasks)],
    ...Object.values(evaluate.scorers ?? {}).map((scorer) => scorer?.model),
    ...pathsIn([sources, evaluate, training, objectives, arms, vocabulary, compress]),
  ]
}
