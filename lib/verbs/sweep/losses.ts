/** What is measured at a point: an objective a row of the table below. Evaluation tasks will be a row more. */
import type { ObjectiveConfig, SweepConfig } from '../../config/sweep'
import type { Handle } from '../../native'
import type { ModelText } from '../../text/model_text'
import type { TrainingData } from '../training/data'
import type { DataConfig } from '../training/data_rows'
import type { DataStatistics } from '../training/data_statistics'
import { evaluateHeldOut, type Measured } from '../training/held_out'
import { measuredModel, openRows } from '../training/measured_model'

export interface Objective {
  name: string
  /** Rows of tokens that one measurement reads. */
  rows: number
  /** What was read, for the report. */
  data: DataStatistics
  /** The smaller, the better. `onRows` hears of how many more are done. */
  measure(model: Handle, options: MeasureOptions): Promise<number>
  close(): Promise<void>
}

export interface MeasureOptions {
  signal: AbortSignal
  onRows: (rows: number) => void
}

export interface OpenOptions {
  signal: AbortSignal
  onWarning?: ((message: string) => void) | undefined
}

type Open = (
  objective: ObjectiveConfig,
  config: SweepConfig,
  text: ModelText,
  options: OpenOptions,
) => Promise<Objective>

/** Losses are those that training tells of held-out data, by the objective of training that reads data this way. */
const KINDS: Record<ObjectiveConfig['loss'], Open> = {
  text: (...given) => openLoss('cp', ...given),
  messages: (...given) => openLoss('sft', ...given),
}

/** Reads the data of all objectives, once. Throws ERR_DATA, ERR_TEMPLATE. */
export async function openObjectives(
  config: SweepConfig,
  text: ModelText,
  options: OpenOptions,
): Promise<Objective[]> {
  const opened: Objective[] = []
  try {
    for (const objective of config.objectives)
      opened.push(await KINDS[objective.loss](objective, config, text, options))
    return opened
  } catch (error) {
    await closeObjectives(opened)
    throw error
  }
}

export async function closeObjectives(objectives: readonly Objective[]): Promise<void> {
  for (const objective of objectives) await objective.close()
}

async function openLoss(
  as: DataConfig['objective'],
  { name, data: sources }: ObjectiveConfig,
  config: SweepConfig,
  text: ModelText,
  { signal, onWarning }: OpenOptions,
): Promise<Objective> {
  const how = { ...config, objective: as }
  const data = await openRows(sources, how, text, { signal, onWarning, shuffle: false, apart: true })
  return {
    name,
    rows: data.parts.reduce((sum, { rowsPerEpoch }) => sum + rowsPerEpoch, 0),
    data: data.statistics,
    measure: (model, options) => measureLoss(measuredModel(model, config), data, options),
    close: () => data.close(),
  }
}

async function measureLoss(
  model: Measured,
  data: TrainingData,
  { signal, onRows }: MeasureOptions,
): Promise<number> {
  let before = 0
  const onProgress = ({ done }: { done: number }) => {
    onRows(done - before)
    before = done
  }
  return (await evaluateHeldOut(model, data, { signal, onProgress })).loss
}
