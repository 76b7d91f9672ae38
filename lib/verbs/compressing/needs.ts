/** What a pipeline needs of disk and memory: met before it begins, not in the middle. */
import { checkSpace } from '../../checkpoint/disk_space'
import { openModelFolder } from '../../checkpoint/model_folder'
import type { CompressConfig } from '../../config/compress'
import { countParameters } from '../../counting/parameters'
import { readTrainConfig } from '../training/config'
import {
  checkpointBytes,
  largestBlockBytes,
  logitRows,
  PROCESS_BYTES,
  peakBytes,
  type TrainPlan,
} from '../training/memory'
import { advice, checkFits, type MemoryNeed } from '../training/memory_room'
import { planTeaching } from '../training/teaching'
import { planTrained } from '../training/trained'
import { foretoldFigures } from './figures'
import type { PlannedStage } from './plan'
import type { Shape } from './stage'
import { trains } from './stages'
import { trainingOf } from './training'

export interface Needs {
  /** Of all folders that are there at once, at most. */
  disk_bytes: number
  /** Of the process at its most. */
  memory_bytes: number
  /** The stage that needs it, and what to do where that is too much. */
  memory: MemoryNeed & { stage: string }
}

/** In closed form, from sizes; what a technique computes beside the model is not in it. */
export async function needsOf(
  config: CompressConfig,
  start: Shape,
  planned: readonly PlannedStage[],
): Promise<Needs> {
  const memory = { stage: '00-start', ...ofModel(config, start) }
  const checkpoints: number[] = []
  for (const stage of planned) {
    const plan = trains(stage.stage) ? await planOf(stage, config) : undefined
    const need = plan ? { bytes: peakBytes(plan), advice: advice(plan) } : ofModel(config, stage.before)
    checkpoints.push(plan ? (plan.config.checkpoint.keep + 1) * checkpointBytes(plan) : 0)
    if (need.bytes > memory.bytes) Object.assign(memory, { stage: stage.name, ...need })
  }
  const disk_bytes = diskBytes(config, start, planned, checkpoints)
  return { disk_bytes, memory_bytes: memory.bytes, memory }
}

/** Throws ERR_NO_SPACE, ERR_OUT_OF_MEMORY; warns of memory that is there but not free. */
export async function checkNeeds(out: string, needs: Needs, warn: (message: string) => void): Promise<void> {
  const hint = 'Free space, choose another out, or keep: last.'
  await checkSpace(out, needs.disk_bytes, 'the models of the stages and the result', hint)
  const { stage, bytes, advice: step } = needs.memory
  checkFits({ bytes, advice: `It is the most that a stage needs, ${stage}. ${step}` }, warn)
}

async function planOf(stage: PlannedStage, config: CompressConfig): Promise<TrainPlan> {
  const { model } = config
  const training = await readTrainConfig(trainingOf(stage, config, { model, original: model }), [])
  const { spec } = stage.before
  const teacher = training.teacher === undefined ? undefined : await openModelFolder(training.teacher)
  const teaching = planTeaching(training, teacher, spec)
  const beside = teaching?.projections ?? []
  const trained = await planTrained(training, spec, { base: model, adapter: undefined, beside })
  return { config: training, spec, trained, teaching }
}

// Weights, and one batch on its way through a block and the head.
function ofModel({ dtype, calibration, evaluate }: CompressConfig, { spec }: Shape): MemoryNeed {
  const width = dtype === 'bfloat16' ? 2 : 4
  const tokens = Math.max(
    ...[calibration, evaluate].map((text) => (text ? text.batch_size * text.sequence_length : 0)),
  )
  const logits = logitRows(tokens, spec.vocab_size, width) * spec.vocab_size * width
  const bytes =
    PROCESS_BYTES + width * countParameters(spec) + tokens * largestBlockBytes(spec, width) + logits
  const narrower = dtype === 'bfloat16' ? '' : 'Set dtype: bfloat16, or take'
  return { bytes, advice: `${narrower || 'Take'} a machine with more memory.` }
}

// Folders of stages, the checkpoints of the training that has most, and the result beside the last.
function diskBytes(
  config: CompressConfig,
  start: Shape,
  planned: readonly PlannedStage[],
  checkpoints: readonly number[],
): number {
  let known = foretoldFigures(start, config)!.bytes
  const sizes = planned.map(({ after }) => {
    known = foretoldFigures(after, config)?.bytes ?? known // nothing grows: what is unknown is no larger
    return known
  })
  const result = sizes.at(-1)!
  const training = Math.max(...checkpoints)
  if (config.keep === 'all') return training + sizes.reduce((sum, bytes) => sum + bytes, result)
  return training + Math.max(...sizes.map((bytes, i) => bytes + (sizes[i + 1] ?? result)))
}
