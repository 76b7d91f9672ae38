/** Rows of a stage are no longer than the positions of its model: what is learnt or searched beyond them is for nothing. */
import type { ModelSpec } from '../../checkpoint/model_spec'
import { configError } from '../../config/parse'

/** Throws ERR_CONFIG. */
export function checkPositions(verb: string, sequence_length: number, spec: ModelSpec): void {
  if (spec.kind !== 'decoder' || sequence_length <= spec.max_positions) return
  throw configError(
    verb,
    `sequence_length: expected at most ${spec.max_positions}, received ${sequence_length}`,
    {
      hint: 'These are the positions of the model: max_position_embeddings of its config.json.',
      key: 'sequence_length',
    },
  )
}
