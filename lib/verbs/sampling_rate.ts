/** Samples a second of the sound that a speech encoder hears. */
import { join } from 'node:path'
import { readJsonObjectIfPresent } from '../checkpoint/json_file'
import type { ModelSpec } from '../checkpoint/model_spec'
import { RATE } from '../counting/speech'

/** Frames of a filterbank lie in time, and are counted as at 16 000; else as preprocessor_config.json says. */
export async function samplingRate(folder: string, spec: ModelSpec): Promise<number> {
  if (spec.kind !== 'speech' || spec.frame_width > 0) return RATE
  const path = join(folder, 'preprocessor_config.json')
  const config = await readJsonObjectIfPresent(path, { code: 'ERR_MODEL_CONFIG' })
  return typeof config?.sampling_rate === 'number' ? config.sampling_rate : RATE
}
