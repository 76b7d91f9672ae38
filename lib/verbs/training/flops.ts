/** Floating-point operations of a decoder, in closed form: what speed is held against and time is foretold from. */
import { linearParameters } from '../../checkpoint/layers'
import { countParameters, type DecoderSpec, layerLinears } from '../../checkpoint/model_config'

/** What of a model is trained: adapters and its own parameters, and the latter alone. */
export interface TrainedParameters {
  parameters: number
  own_parameters: number
}

/** Numbers that each token is multiplied with: those of all matrices, the head among them, the input table not. */
export function matrixParameters(spec: DecoderSpec): number {
  const matrices = spec.layers.flatMap((layer) =>
    layerLinears(spec, layer).map((linear) =>
      linearParameters({ ...linear, bias: false }, layer.ranks[linear.name]),
    ),
  )
  return matrices.reduce((sum, parameters) => sum + parameters, spec.vocab_size * spec.hidden_size)
}

/** One token's way through the model: two a number, and attention to half of a row, or to half of a window. */
export function forwardFlops(spec: DecoderSpec, sequenceLength: number): number {
  return 2 * matrixParameters(spec) + attentionFlops(spec, sequenceLength)
}

/**
 * One token of an update, forward and backward: 6 a number and 12 L d T/2 of attention, after Kaplan et al. 2020
 * (arXiv 2001.08361) and Chowdhery et al. 2022 (arXiv 2204.02311). Where not all is trained, gradients of weights are
 * counted for the share that is. Recomputed activations, norms and the optimizer do not count; each row is taken as
 * one document.
 */
export function trainingFlops(
  spec: DecoderSpec,
  sequenceLength: number,
  trained?: TrainedParameters,
): number {
  const matrices = matrixParameters(spec)
  const all = countParameters(spec)
  const { parameters, own_parameters } = trained ?? { parameters: all, own_parameters: all }
  const adapters = parameters - own_parameters
  return (
    4 * matrices +
    2 * matrices * (own_parameters / all) +
    6 * adapters +
    3 * attentionFlops(spec, sequenceLength)
  )
}

// Scores and their sum over values: 2 operations each a number of the query, for every key that is seen.
function attentionFlops({ head_dim, layers }: DecoderSpec, sequenceLength: number): number {
  return layers.reduce(
    (sum, { num_heads, window }) => sum + 4 * num_heads * head_dim * keysSeen(sequenceLength, window),
    0,
  )
}

// The mean over a row: half of it, or a window that fills up first.
function keysSeen(length: number, window: number): number {
  if (window === 0 || window >= length) return length / 2
  return window - (window * window) / (2 * length)
}
