/** What is held against costs: the loss that a model was trained by, by the name that it has, and the error of each probe. */
import type { ModelSpec } from '../../checkpoint/model_spec'
import type { ProbeFigures } from '../probing/figures'
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

/** The error of a probe, by its name. */
export const probeQuality = (name: string): Quality => ({
  ...{ title: `error of ${name}`, heading: `Error of the probe ${name}`, logarithmic: false },
  of: ({ probes }) => {
    const found = probes?.find((probe) => probe.name === name)
    return found === undefined ? null : errorOf(found)
  },
})

/** Shares of what is wrong: of utterances, of labelled places, of tokens. */
export function errorOf({ test: { error_rate, accuracy, frame_accuracy } }: ProbeFigures): number {
  return error_rate ?? 1 - (accuracy ?? frame_accuracy!)
}
