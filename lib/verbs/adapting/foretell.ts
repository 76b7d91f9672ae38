/** What is known of an adaptation without one: its stages, what each needs, and how long it will take. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkSpace } from '../../checkpoint/disk_space'
import type { TongueforgeError } from '../../errors'
import { mkdtemp, rm } from '../../writes'
import type { ReadConfig } from './config'
import type { AdaptFolder } from './folder'
import { diskBytes, greatest, needsOf } from './needs'
import { planAll } from './plan'
import type { StageVerb } from './stage'
import { STAGE_KINDS } from './stages'
import { writeTextTasks } from './texts'

/** A stage that has not run. */
export interface ForetoldAdaptStage {
  /** Name of its folder. */
  stage: string
  /** What is done. */
  verb: StageVerb
  /** Models that it reads: stages, and folders of the user. */
  on: string
  /** Tokens that go through a model; absent of stages that only add weights. */
  tokens?: number
  /** An estimate, from arithmetic and a moment's measuring; absent of stages that it is not made of. */
  seconds?: number
  /** Of the process at its most. */
  memory_bytes: number
  /** Model and checkpoints. */
  disk_bytes: number
  /** Figures are those of a model of the user, as one of its stages is not there yet; its texts are read all the same. */
  estimate: boolean
}

/** The stages of an adaptation, and what they take. */
export interface AdaptPlanReport {
  /** Nothing was trained, and nothing written. */
  dry_run: true
  /** In their order. */
  stages: ForetoldAdaptStage[]
  /** Of the stage that needs most. */
  memory_bytes: number
  /** Name of the stage that needs it. */
  memory_stage: string
  /** Of all folders that are there at once. */
  disk_bytes: number
  /** On the disk of `out`; absent where a file system does not tell. */
  free_bytes?: number | undefined
  /** Of all stages. */
  tokens: number
  /** Of the stages that have an estimate. */
  seconds: number
  /** Stages whose time is not in that: they add weights, make tokens, or compress. */
  not_estimated: string[]
}

/** Reads texts and counts their tokens. Throws what stands against a stage. */
export async function foretell(
  read: ReadConfig,
  folder: AdaptFolder,
  signal: AbortSignal,
  warn: (message: string) => void,
): Promise<AdaptPlanReport> {
  const place = await mkdtemp(join(tmpdir(), 'tongueforge-tasks-'))
  try {
    const texts = await writeTextTasks(read.config, place, { signal })
    const stages = planAll(read, [...texts, ...read.config.evaluate.tasks])
    const needed = await needsOf(stages, folder, read.file, signal)
    const foretold: ForetoldAdaptStage[] = []
    for (const { stage, config, memory_bytes, model_bytes, working_bytes } of needed) {
      const workload = await STAGE_KINDS[stage.verb].workload?.(config, signal)
      const models = Object.values(stage.models)
      foretold.push({
        ...{ stage: stage.name, verb: stage.verb },
        on: [...new Set(models.map((model) => ('stage' in model ? model.stage : model.folder)))].join(', '),
        ...workload,
        ...{ memory_bytes, disk_bytes: model_bytes + working_bytes },
        estimate: stage.verb === 'compress' || models.some((model) => 'stage' in model),
      })
    }
    const most = greatest(needed)!
    const disk_bytes = diskBytes(needed, read.config)
    const sum = (of: (stage: ForetoldAdaptStage) => number | undefined) =>
      foretold.reduce((total, stage) => total + (of(stage) ?? 0), 0)
    return {
      ...{ dry_run: true, stages: foretold },
      ...{ memory_bytes: most.memory_bytes, memory_stage: most.stage.name, disk_bytes },
      free_bytes: await freeSpace(folder.path, disk_bytes, warn),
      ...{ tokens: sum(({ tokens }) => tokens), seconds: sum(({ seconds }) => seconds) },
      not_estimated: foretold.filter(({ seconds }) => seconds === undefined).map(({ stage }) => stage),
    }
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

// A plan may be made for another machine: what is refused when it runs is only told.
const freeSpace = (path: string, bytes: number, warn: (message: string) => void) =>
  checkSpace(path, bytes, 'the models and checkpoints of the stages').catch((error: TongueforgeError) => {
    warn(error.message)
    return error.details.bytes_free as number | undefined
  })
