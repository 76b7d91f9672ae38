/** Samples a second of the sound that a speech encoder hears. */
import { join } from 'node:path'
import { checkFrontEndConfig, PREPROCESSOR_FILE } from '../audio/front_end_config'
import { readJsonObjectIfPresent } from '../checkpoint/json_file'
import type { ModelSpec } from '../checkpoint/model_spec'
import { RATE } from '../counting/speech'

/** Frames of a filterbank lie in time, and are counted as at 16 000; else as preprocessor_config.json says. */
export async function samplingRate(folder: string, spec: ModelSpec): Promise<number> {
  if (spec.kind !== 'speech' || spec.frame_width > 0) return RATE
  const file = join(folder, PREPROCESSOR_FILE)
  const content = await readJsonObjectIfPresent(file, { code: 'ERR_MODEL_CONFIG' })
  return content ? checkFrontEndConfig(content, file).sampling_rate : RATE
}
