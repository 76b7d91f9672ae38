/** Floating-point operations of a model, in closed form: what speed is held against and time is foretold from. */
import type { ModelSpec } from '../../checkpoint/model_spec'
import { countMacs, type MacParts } from '../../counting/macs'
import { countParameters } from '../../counting/parameters'
import { modelSize } from '../../counting/registry'
import { BERT_MASKING } from '../../text/masking'
import type { TrainPlan } from './plan'

type FlopsPlan = Pick<TrainPlan, 'config' | 'spec' | 'trained' | 'teaching'>

/** What of a model is trained: adapters and its own parameters, and the latter alone. */
export interface TrainedParameters {
  parameters: number
  own_parameters: number
}

/** One token's way through the model, on the average of a row: two a number, and attention to what it sees. */
export function forwardFlops(spec: ModelSpec, sequenceLength: number): number {
  const { visible, parts } = countMacs(modelSize(spec), sequenceLength)
  return (2 * (visible - unusedHead(spec, parts))) / sequenceLength
}

/**
 * One token of an update, forward and backward: 6 a number and 12 L d (T+1)/2 of attention, after Kaplan et al. 2020
 * (arXiv 2001.08361) and Chowdhery et al. 2022 (arXiv 2204.02311). Where not all is trained, gradients of weights are
 * counted for the share that is. Recomputed activations, norms and the optimizer do not count; each row is taken as
 * one document.
 */
export function trainingFlops(spec: ModelSpec, sequenceLength: number, trained?: TrainedParameters): number {
  const { visible, core, parts } = countMacs(modelSize(spec), sequenceLength)
  const attention = (visible - core + parts.scores) / sequenceLength
  const matrices = (core - parts.scores - unusedHead(spec, parts)) / sequenceLength
  const all = countParameters(spec)
  const { parameters, own_parameters } = trained ?? { parameters: all, own_parameters: all }
  const adapters = parameters - own_parameters
  return 4 * matrices + 2 * matrices * (own_parameters / all) + 6 * adapters + 6 * attention
}

/** One token of an update of a plan: that, and what its teacher says of it. */
export function updateFlops({ config, spec, trained, teaching }: FlopsPlan): number {
  return trainingFlops(spec, config.sequence_length, trained) + teacherFlops({ config, teaching })
}

/** A teacher only looks: a token's way through it. */
export const teacherFlops = ({ config, teaching }: Pick<FlopsPlan, 'config' | 'teaching'>) =>
  teaching ? forwardFlops(teaching.spec, config.sequence_length) : 0

// An encoder's head runs where a token is hidden.
const unusedHead = ({ kind }: ModelSpec, { head }: MacParts) =>
  kind === 'encoder' ? (1 - BERT_MASKING.probability) * head : 0
