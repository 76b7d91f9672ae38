/** How a model says its loss on plain data: decoders of the next token, encoders of what is hidden. */
import type { ModelSpec } from '../../checkpoint/model_spec'

export type ModelKind = ModelSpec['kind']

/** The objective that reads the text, and native's loss. */
export const ownLoss = (kind: ModelKind) =>
  kind !== 'decoder'
    ? ({ objective: 'masked', loss: 'masked' } as const)
    : ({ objective: 'cp', loss: 'language' } as const)

/** What a model is that foretells nothing, in words; undefined where it has a loss. */
export function lossObstacle(spec: ModelSpec): string | undefined {
  if (spec.kind === 'encoder' && spec.head !== 'masked_lm') return 'an encoder without a masked-LM head'
  if (spec.kind === 'speech' && spec.vocab_size === 0) return 'a speech encoder that foretells no clusters'
  return undefined
}
