/** In what a model is compressed where nobody says it. */
import { nameOfDtype } from '../../checkpoint/dtype_key'
import type { ModelFolder } from '../../checkpoint/model_folder'
import type { ModelSpec } from '../../checkpoint/model_spec'
import { runJob } from '../../native'
import type { Means } from './model_at_hand'

/** As it is stored, by config.json or else by its weights; float32 where that is float16, which `warn` hears of. */
export async function keptDtype(
  { path: folder }: ModelFolder,
  { dtype }: ModelSpec,
  warn: (message: string) => void,
): Promise<Means['dtype']> {
  const stored = dtype ?? nameOfDtype((await runJob('inspectWeights', { folder, scan: false })).tensors)
  if (stored === 'bfloat16') return stored
  if (stored === 'float16')
    warn(`${folder}: is stored in float16, and becomes float32; dtype: bfloat16 keeps its size`)
  return 'float32'
}
