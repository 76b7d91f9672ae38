/** What an adaptation needs of memory and disk, stage by stage: met before it begins, not after days. */
import { checkSpace } from '../../checkpoint/disk_space'
import type { AdaptConfig } from '../../config/adapt'
import { configError } from '../../config/parse'
import { TongueforgeError } from '../../errors'
import { checkFits, memoryOf } from '../training/memory_room'
import type { AdaptFolder } from './folder'
import { configOf, type ModelRef, type PlannedStage, type StageNeeds } from './stage'
import { STAGE_KINDS } from './stages'

export interface NeededStage extends StageNeeds {
  stage: PlannedStage
  /** As its verb reads it, with models of the user in the place of those that are not there yet. */
  config: object
}

/** Also the check of every stage. Throws what stands against one, and whose it is. */
export async function needsOf(
  stages: readonly PlannedStage[],
  folder: AdaptFolder,
  file: string,
  signal: AbortSignal,
): Promise<NeededStage[]> {
  const all: NeededStage[] = []
  for (const stage of stages) {
    signal.throwIfAborted()
    const kind = STAGE_KINDS[stage.verb]
    const given = configOf(stage, `${folder.place(stage.name)}-to-come`, (model) => standIn(model, stages))
    all.push(
      await within(file, stage.place, async () => {
        const config = await kind.read(given)
        return { stage, config, ...(await kind.needs(config, signal)) }
      }),
    )
  }
  return all
}

/** A folder of the user's that is like a model that is not there yet, in shape and template, but for tokens that it gets. */
function standIn(model: ModelRef, stages: readonly PlannedStage[]): string {
  if ('folder' in model) return model.folder
  const { models } = stages.find(({ name }) => name === model.stage)!
  return standIn((models.model ?? models.chat)!, stages)
}

/** Says whose a config is that its verb would refuse. */
async function within<Result>(file: string, place: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof TongueforgeError)) throw error
    const { code, message, hint, details } = error
    if (code !== 'ERR_CONFIG')
      throw new TongueforgeError(code, `${place}: ${message}`, { hint, details, cause: error })
    const { key } = details as { key?: string }
    const problem = `${place}: ${message.replace(/^[\w-]+: /, '')}`
    throw configError(file, problem, { hint, ...(key !== undefined && { key }) })
  }
}

/** Of all folders that are there at once, at most; what is there already does not count. */
export function diskBytes(
  needed: readonly NeededStage[],
  { keep }: Pick<AdaptConfig, 'keep'>,
  isThere: (stage: string) => boolean = () => false,
): number {
  const models = new Map<string, number>()
  const total = () => [...models.values()].reduce((sum, bytes) => sum + bytes, 0)
  let most = 0
  for (const [i, { stage, model_bytes, working_bytes }] of needed.entries()) {
    if (isThere(stage.name)) continue
    most = Math.max(most, total() + model_bytes + working_bytes)
    models.set(stage.name, model_bytes)
    if (keep === 'picked') forget(models, needed, i)
  }
  return most
}

// Of those that nothing stands on any more one may win yet: the largest, as nobody knows which.
function forget(models: Map<string, number>, needed: readonly NeededStage[], done: number): void {
  const toCome = needed.slice(done + 1).flatMap(({ stage }) => Object.values(stage.models))
  const isNeeded = (name: string) => toCome.some((model) => 'stage' in model && model.stage === name)
  const idle = [...models].filter(([name]) => !isNeeded(name)).sort(([, a], [, b]) => b - a)
  for (const [name] of idle.slice(1)) models.delete(name)
}

/** Of stages that were never done. Throws ERR_NO_SPACE, ERR_OUT_OF_MEMORY; warns of memory that is there but not free. */
export async function checkNeeds(
  needed: readonly NeededStage[],
  { keep, device }: Pick<AdaptConfig, 'keep' | 'device'>,
  folder: AdaptFolder,
  warn: (message: string) => void,
): Promise<void> {
  const isThere = (stage: string) => folder.records.has(stage)
  const hint = 'Free space, choose another out, lower training.checkpoint.keep, or set keep: picked.'
  const bytes = diskBytes(needed, { keep }, isThere)
  await checkSpace(folder.path, bytes, 'the models and checkpoints of the stages', hint)
  const most = greatest(needed.filter(({ stage }) => !isThere(stage.name)))
  if (most === undefined) return
  const { stage, memory_bytes, advice } = most
  const machine = await memoryOf(stage.verb === 'train' || stage.verb === 'evaluate' ? device : 'cpu')
  checkFits(
    { bytes: memory_bytes, advice: `It is the most that a stage needs, ${stage.name}. ${advice}` },
    warn,
    machine,
  )
}

/** The stage that needs most memory. */
export const greatest = (needed: readonly NeededStage[]): NeededStage | undefined =>
  needed.reduce<NeededStage | undefined>(
    (most, one) => (most === undefined || one.memory_bytes > most.memory_bytes ? one : most),
    undefined,
  )
