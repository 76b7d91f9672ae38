/** What is known of a training without one: the plan, its needs and time, and how its first batch reads. */
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import type { ModelText } from '../../text/model_text'
import { packedBatch } from '../../text/packing'
import { describeBatch, type ShownRow } from '../../text/shown_batch'
import { warnOfEnds } from './ends'
import { identify, type RunInputs } from './identity'
import { checkMemory, machineMemory, memoryOf } from './memory_room'
import type { PerplexityReport } from './perplexity_report'
import { closeData, type PlanSummary, planTraining, summarise, type TrainPlan } from './plan'
import { warnOfPruning } from './prune_schedule'
import type { PreparationProgress } from './starting_model'
import { foretellTime, type TimeEstimate } from './time'

/** Rows of packed documents as text, with what is learnt of them. */
export type ShownBatch = ShownRow[]

/** What a training would be: its plan, and what was measured or shown of its data. */
export interface DryRunReport {
  /** Nothing was trained, and nothing written. */
  dry_run: true
  /** What a run would take. */
  plan: PlanSummary & TimeEstimate & { machine_memory_bytes: number }
  /** Where `showBatch` asks for it: the rows of the first update, or with `accumulation` of its first micro-step. */
  batch?: ShownBatch
  /** inscp with max_perplexity: of the training documents, which are measured. */
  perplexity?: PerplexityReport
}

export interface DryRunOptions {
  signal: AbortSignal
  /** The time that a chat template writes. */
  now?: Date | undefined
  /** Rows of the first batch are told as well. */
  showBatch?: boolean | undefined
  onWarning?: ((message: string) => void) | undefined
  onNote?: ((message: string) => void) | undefined
  onProgress?: ((progress: PreparationProgress) => void) | undefined
}

/** Documents are measured where the plan depends on it. Throws what a plan throws; memory that is not there is a warning. */
export async function dryRun(
  config: TrainConfig,
  inputs: RunInputs,
  { signal, now, showBatch, onWarning, onNote, onProgress }: DryRunOptions,
): Promise<DryRunReport> {
  const filters = config.objective === 'inscp' && config.inscp.max_perplexity !== undefined
  const identity = filters ? await identify(config, inputs, signal) : undefined
  const plan = await planTraining(config, inputs, { identity, signal, now, onWarning, onNote, onProgress })
  try {
    await warnOfEnds(plan, onWarning ?? (() => {}))
    warnOfPruning(plan, onWarning ?? (() => {}))
    const perplexity = plan.perplexity?.report
    const batch = showBatch && describeBatch(await firstBatch(plan), textOf(plan).tokenizer)
    await warnOfMemory(plan, onWarning)
    return {
      dry_run: true,
      plan: {
        ...summarise(plan),
        machine_memory_bytes: machineMemory().bytes,
        ...(await foretellTime(plan, signal)),
      },
      ...(perplexity && { perplexity }),
      ...(batch && { batch }),
    }
  } finally {
    await closeData(plan)
  }
}

// A plan may be made for another machine: what is refused here when it runs is only told.
async function warnOfMemory(plan: TrainPlan, warn: (message: string) => void = () => {}): Promise<void> {
  try {
    checkMemory(plan, warn, await memoryOf(plan.config.device))
  } catch (error) {
    warn((error as TongueforgeError).message)
  }
}

function textOf({ text, spec }: TrainPlan): ModelText {
  if (text) return text
  throw new TongueforgeError(
    'ERR_USAGE',
    `showBatch: expected a model that reads text, received a ${spec.architecture}`,
    {
      hint: 'A batch of sound cannot be shown as text: leave it out.',
    },
  )
}

const firstBatch = ({ config, data }: TrainPlan) => packedBatch(data.rows, config.batch_size, 0)
