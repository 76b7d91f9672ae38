/** Which heads have left, and when: they carry the numbers that they began with through all stages and steps. */
import type { StageRecord } from './records'
import type { Stage } from './stage'
import { STAGES } from './stages'

/** A query head of the model that all stages began with. */
export interface OriginalHead {
  layer: number
  head: number
}

export interface RemovedHead extends OriginalHead {
  /** The stage with which it left, by number and name: of `heads`, or of `layers` where its layer left whole. */
  step: number
  stage: string
}

/** In the order in which they left; those that left at once by layer and head. The first record is of the start. */
export function removedHeads(records: readonly StageRecord[]): RemovedHead[] {
  let left = records[0]!.layers.map(({ num_heads }, layer) =>
    Array.from({ length: num_heads }, (_, head): OriginalHead => ({ layer, head })),
  )
  return records.slice(1).flatMap((record) => {
    const before = left
    left = headsAfter(record, before)
    const stay = new Set(left.flat())
    const gone = before.flat().filter((head) => !stay.has(head))
    return gone.map((head) => ({ step: record.step, stage: record.stage, ...head }))
  })
}

/** Of each layer that a stage has left, its heads. Trainings leave all. */
function headsAfter({ method, figures }: StageRecord, before: OriginalHead[][]): OriginalHead[][] {
  const stage = STAGES[method as keyof typeof STAGES] as Partial<Stage>
  const blocks = stage.keptBlocks?.(figures!).map((block) => before[block]!) ?? before
  const heads = stage.keptHeads?.(figures!)
  return blocks.map((block, i) => heads?.[i]?.map((head) => block[head]!) ?? block)
}
