/** What is told of a probe. */
import type { OneProbe } from '../../config/probe'

export interface ProbeTraining {
  /** Utterances. */
  n: number
  /** Of the last step, before it was taken. */
  loss: number
}

/** By kind accuracy, frame_accuracy (of labelled places) or error_rate (edits by tokens). */
export interface ProbeTest {
  n: number
  /** In nats: a class or a labelled place; of a sequence the mean of its negative log-likelihood by its tokens. */
  nll: number
  accuracy?: number
  frame_accuracy?: number
  error_rate?: number
  /** Accuracy of always naming the class that the training has most. */
  chance?: number
  /** Labelled places; tokens of all sequences. */
  places?: number
  tokens?: number
}

export interface ProbeFold {
  train: ProbeTraining
  test: ProbeTest
  /** Of the layers that it looks at, in their order; they add up to 1. */
  layer_weights: number[]
}

/** Over folds, means. */
export interface ProbeFigures extends ProbeFold {
  /** As in the config. */
  name: string
  kind: OneProbe['kind']
  /** As in the config: what is told apart. */
  label: string
  layers: OneProbe['layers']
  /** That are told apart, a blank not among them. */
  classes: number
  folds?: ProbeFold[]
}

/** Number by number, through tables and lists of one shape. */
export function meanOf<Shape>(all: readonly Shape[]): Shape {
  const [first] = all
  if (all.length === 1) return first!
  if (typeof first === 'number')
    return ((all as readonly number[]).reduce((a, b) => a + b, 0) / all.length) as Shape
  if (Array.isArray(first))
    return first.map((_, i) => meanOf(all.map((one) => (one as unknown[])[i]))) as Shape
  return Object.fromEntries(
    Object.keys(first as object).map((key) => [
      key,
      meanOf(all.map((one) => (one as Record<string, unknown>)[key])),
    ]),
  ) as Shape
}
