/** What a pipeline ends with, and what its plan foretells. */
import { peakMemory } from '../training/speed'
import type { CompressFolder } from './compress_folder'
import type { ForetoldFigures } from './figures'
import type { Outcome } from './pipeline'
import type { StageRecord } from './records'
import { type RemovedHead, removedHeads } from './removed_heads'
import { stockObstacle } from './shapes'

/** The numbers of a compression at its end, stage by stage. */
export interface CompressReport {
  /** The model as it was given first, then what each stage has left. */
  stages: StageRecord[]
  /** When each head left, by its number in the model as it was given; absent where none did. */
  removed_heads?: RemovedHead[]
  /** What loads the result: where layers differ or are factored, tongueforge alone. */
  loads_in: 'transformers' | 'tongueforge'
  /** The last stage of earlier sessions, where this one went on. */
  resumed_after?: string
  /** Of all stages. */
  seconds: number
  /** Of this process so far. */
  peak_memory_bytes: number
  /** Of everything that decides the result. */
  inputs_sha256: string
}

/** A stage that has not run. */
export interface ForetoldStage extends Partial<ForetoldFigures> {
  /** `01-heads`. */
  stage: string
  /** Of the stage. */
  method: string
  /** Its place in the config: `stages.0`. */
  key: string
  /** Why there are no figures: only the weights can tell. */
  unknown?: string
}

export function reportOf({ book }: CompressFolder, { model, hash, found }: Outcome): CompressReport {
  const stages = [...book.all]
  const gone = removedHeads(stages)
  return {
    stages,
    ...(gone.length > 0 && { removed_heads: gone }),
    loads_in: stockObstacle(model.spec) === undefined ? 'transformers' : 'tongueforge',
    ...(found > 0 && { resumed_after: stages[found]!.stage }),
    seconds: stages.reduce((sum, { seconds }) => sum + seconds, 0),
    peak_memory_bytes: peakMemory(),
    inputs_sha256: hash,
  }
}
