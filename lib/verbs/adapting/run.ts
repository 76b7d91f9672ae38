/** Stages as they are needed: what is done and as it was is found, what is missing is done, with all that it stands on. */
import type { TrainStep } from '../train'
import type { AdaptFolder } from './folder'
import type { Identity } from './identity'
import type { AdaptStage } from './records'
import type { PlannedStage } from './stage'
import { STAGE_KINDS } from './stages'

/** What a run tells while it works: a stage that is finished, or an update of a training. */
export type AdaptEvent =
  | ({ event: 'stage'; stages: number } & AdaptStage)
  | ({ event: 'step'; stage: string } & TrainStep)

/** Of the work within a stage: the label says which of how many. */
export interface AdaptProgress {
  label: string
  done: number
  total?: number | undefined
}

export interface Session {
  folder: AdaptFolder
  identity: Identity
  signal: AbortSignal
  emit: (event: AdaptEvent) => void
  warn: (message: string) => void
  onProgress: (progress: AdaptProgress) => void
  /** Called where a run that is stopped has left something to go on with. */
  onKept: () => void
}

export class StageRunner {
  /** Stages that this session has done. */
  done = 0

  constructor(
    private readonly session: Session,
    readonly stages: PlannedStage[],
    /** Those included that are only known once an arm has won. */
    private readonly count: number,
  ) {}

  isDone(name: string): boolean {
    return this.record(name) !== undefined
  }

  record(name: string): AdaptStage | undefined {
    const { folder, identity } = this.session
    return folder.records.find(name, identity.of(name))
  }

  /** Sees to it that a stage is done, and where it leaves a model that this is there. Throws what the stage throws. */
  async need(name: string): Promise<void> {
    const { folder } = this.session
    const stage = this.stages.find((one) => one.name === name)!
    if (this.isDone(name) && (!STAGE_KINDS[stage.verb].makesModel || folder.hasModel(name))) {
      await folder.end(name) // an end by force may have come before it
      this.session.onKept()
      return
    }
    for (const model of Object.values(stage.models)) if ('stage' in model) await this.need(model.stage)
    await this.#run(stage)
  }

  /** Deletes models that nothing stands on any more, but those named. */
  async release(kept: ReadonlySet<string>): Promise<void> {
    const { folder } = this.session
    const toCome = this.stages.filter(({ name }) => !this.isDone(name))
    const needed = new Set(
      toCome.flatMap(({ models }) =>
        Object.values(models).flatMap((model) => ('stage' in model ? [model.stage] : [])),
      ),
    )
    for (const { name } of this.stages)
      if (this.isDone(name) && !needed.has(name) && !kept.has(name)) await folder.forget(name)
  }

  async #run(stage: PlannedStage): Promise<void> {
    const { folder, identity, signal, emit, warn, onProgress, onKept } = this.session
    signal.throwIfAborted()
    const step = this.stages.indexOf(stage) + 1
    const label = `${step}/${this.count} ${stage.name}`
    onProgress({ label, done: 0 })
    const kind = STAGE_KINDS[stage.verb]
    const { figures, seconds } = await kind.run(await kind.read(folder.configOf(stage)), {
      ...{ signal, onKept },
      onWarning: (message) => warn(`${stage.name}: ${message}`),
      onProgress: (progress) => onProgress({ ...progress, label: `${label}: ${progress.label}` }),
      onStep: (update) => emit({ ...update, event: 'step', stage: stage.name }),
    })
    const { name, verb } = stage
    const inputs_sha256 = identity.of(name)
    const record: AdaptStage = { step, stage: name, verb, figures, inputs_sha256, seconds }
    await folder.records.put(record)
    await folder.end(name)
    this.done++
    onKept()
    emit({ event: 'stage', stages: this.count, ...record })
  }
}
