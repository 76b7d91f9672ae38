/** How a model says its loss on plain text: decoders of the next token, encoders of hidden ones. */
import type { ModelSpec } from '../../checkpoint/model_spec'

export type ModelKind = ModelSpec['kind']

/** The objective that reads the text, and native's loss. */
export const ownLoss = (kind: ModelKind) =>
  kind === 'encoder'
    ? ({ objective: 'masked', loss: 'masked' } as const)
    : ({ objective: 'cp', loss: 'language' } as const)
