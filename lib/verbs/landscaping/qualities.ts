/** What is held against costs: the loss that a model was trained by, by the name that those who train it give it. */
import type { ModelSpec } from '../../checkpoint/model_spec'
import type { LandscapePoint } from './record'

export interface Quality {
  /** Of the axis; of the heading above its charts. */
  title: string
  heading: string
  /** Of the axis: equal steps of the logarithm. */
  logarithmic: boolean
  /** Lower is better; null where it is no number any more. */
  of(point: LandscapePoint): number | null
}

const PERPLEXITY: Quality = {
  ...{ title: 'perplexity', heading: 'Quality', logarithmic: true },
  of: ({ perplexity }) => perplexity,
}

/** Of models that foretell what is hidden: a cross-entropy in nats. */
const PRE_TRAINING_LOSS: Quality = {
  ...{ title: 'pre-training loss', heading: 'Pre-training loss', logarithmic: false },
  of: ({ loss }) => loss,
}

export const qualityOf = (kind: ModelSpec['kind']): Quality =>
  kind === 'decoder' ? PERPLEXITY : PRE_TRAINING_LOSS
