/** A stage in memory, and the model folder that it leaves: checkpoint and result in one. */
import { dirname } from 'node:path'
import type { JsonObject } from '../../checkpoint/json_file'
import { withStagedFolder } from '../../checkpoint/staged_folder'
import { carryOver, makeFolder, writeJson } from '../../checkpoint/write_folder'
import type { PackedBatch } from '../../native'
import type { ModelAtHand } from './model_at_hand'
import type { PlannedStage } from './plan'
import { blocksIn, configWith } from './shapes'
import type { Stage, StageContext } from './stage'

export interface NativeWork extends Pick<StageContext, 'seed' | 'threads' | 'onProgress'> {
  signal: AbortSignal
  /** For techniques that calibrate. */
  calibration: PackedBatch[]
  /** Hears of tensors that are not read. */
  warn: (message: string) => void
  /** What config.json says of the numbers: `{ torch_dtype: 'float32' }`. */
  dtypeKeys: JsonObject
}

export interface NativeResult {
  model: ModelAtHand
  figures: JsonObject
}

/**
 * Runs a technique and publishes what it leaves at `place`. Where that fails the model in memory is half changed, and
 * gone: its folder is as it was.
 */
export async function runNative(
  { stage: given, config }: PlannedStage,
  start: ModelAtHand,
  place: string,
  work: NativeWork,
): Promise<NativeResult> {
  const stage = given as Stage
  const { seed, threads, signal, warn, onProgress, dtypeKeys } = work
  try {
    const model = await start.loaded({ signal, warn })
    const calibration = stage.calibrates(config) ? work.calibration : []
    const context = { model, spec: start.spec, calibration, seed, threads, signal, onProgress }
    const figures = await stage.run(config, context)
    const layers = await blocksIn(model, start.spec, stage.keptBlocks?.(figures))
    const sizes = configWith(start.folder.config, start.spec, layers)
    const changed = { ...sizes, ...dtypeKeys, ...stage.configKeys?.(config, start.spec) }
    await publishStage(place, start, changed, signal)
    return { model: await start.moved(place), figures }
  } catch (error) {
    start.release()
    throw error
  }
}

async function publishStage(
  place: string,
  model: ModelAtHand,
  config: JsonObject,
  signal: AbortSignal,
): Promise<void> {
  await makeFolder(dirname(place))
  await withStagedFolder(place, { overwrite: true, signal }, async (staged) => {
    await model.saveWeights(staged)
    await carryOver(model.folder, staged, new Set(['config.json', 'README.md']))
    await writeJson(staged, 'config.json', config)
  })
}
