/** The loss on held-out data, of all of it and of each source. */
import type { LossSums } from '../../native'
import type { TrainingData } from './data'
import type { PreparationProgress } from './starting_model'
import type { Trainer } from './trainer'

/** Means over one pass. */
export interface HeldOutResult {
  loss: number
  /** By source; one without a target is left out. */
  losses: Record<string, number>
  /** What else the loss tells: accuracy and margin of preferences. */
  figures: Record<string, number>
}

export interface HeldOutOptions {
  signal: AbortSignal
  onProgress?: ((progress: PreparationProgress) => void) | undefined
}

/** What can say its loss on rows: a trainer, or a model that is only measured. */
export type Measured = Pick<Trainer, 'lossSums'>

/** Nothing of a training changes. */
export async function evaluateHeldOut(
  model: Measured,
  data: TrainingData,
  { signal, onProgress }: HeldOutOptions,
): Promise<HeldOutResult> {
  const total = data.parts.reduce((sum, { rowsPerEpoch }) => sum + rowsPerEpoch, 0)
  let done = 0
  const onRows = (rows: number) => {
    done += rows
    onProgress?.({ label: 'evaluate', done, total })
  }
  const whole = noSums()
  const losses: Record<string, number> = {}
  for (const [i, rows] of data.parts.entries()) {
    const part = noSums()
    for await (const batch of model.lossSums(rows, data, signal)) {
      add(part, batch)
      onRows(batch.rows)
    }
    add(whole, part)
    if (part.count > 0) losses[data.names[i]!] = part.sum / part.count
  }
  const { sum, count, figures } = whole
  for (const name of Object.keys(figures)) figures[name]! /= count
  return { loss: sum / count, losses, figures }
}

const noSums = (): LossSums => ({ sum: 0, count: 0, figures: {} })

function add(total: LossSums, part: LossSums): void {
  total.sum += part.sum
  total.count += part.count
  for (const [name, value] of Object.entries(part.figures))
    total.figures[name] = (total.figures[name] ?? 0) + value
}
