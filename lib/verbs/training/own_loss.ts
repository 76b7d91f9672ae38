/** How a model says its loss on plain data: decoders of the next token, encoders of what is hidden. */
import type { ModelSpec } from '../../checkpoint/model_spec'

export type ModelKind = ModelSpec['kind']

/** The objective that reads the text, and native's loss. */
export const ownLoss = (kind: ModelKind) =>
  kind !== 'decoder'
    ? ({ objective: 'masked', loss: 'masked' } as const)
    : ({ objective: 'cp', loss: 'language' } as const)
