/** What sizes mean for those who load the model. */
import type { DecoderSpec as ModelSpec } from '../../checkpoint/model_config'

/** Whether every layer is alike and none is factored: what transformers' own classes can be. */
export function isUniform(_spec: ModelSpec): boolean {
  return true
}
