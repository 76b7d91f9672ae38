/**
 * Sizes of a speech encoder: HuBERT (Hsu et al. 2021, arXiv 2106.07447), wav2vec 2.0 (Baevski et al. 2020, arXiv
 * 2006.11477), MelHuBERT (Lin et al. 2022, arXiv 2211.09944).
 */
import { type SpeechSpec, speechLinears } from '../checkpoint/speech_config'
import type { ConvolutionSize } from './convolution'
import { encoderBlock } from './encoder_block'
import type { HeadSize, InputSize, LinearSize, ModelSize } from './model_size'

/** Samples a second. */
export const RATE = 16_000
/** Of a filterbank: samples of a frame of 25 ms, and from one to the next. */
const WINDOW = 400
const HOP = 160

/** Names of modules outside the blocks. */
const NAMES = {
  melhubert: { projection: 'pre_extract_proj', positional: 'encoder.pos_conv.0' },
  hubert: { projection: 'feature_projection.projection', positional: 'encoder.pos_conv_embed.conv' },
  wav2vec2: { projection: 'feature_projection.projection', positional: 'encoder.pos_conv_embed.conv' },
}

/** What is foretold in training is not multiplied where features are extracted. */
export function speechSize(spec: SpeechSpec): ModelSize {
  const { hidden_size: width, architecture, convolutions, frame_width } = spec
  const prefix = spec.bare ? '' : `${architecture}.`
  const heard = convolutions.at(-1)?.channels ?? frame_width
  const projection: LinearSize = {
    ...{ name: prefix + NAMES[architecture].projection, inputs: heard, outputs: width, bias: true },
  }
  return {
    input: inputOf(spec, prefix),
    tables: [],
    projections: [projection],
    positional: positionalOf(spec, prefix),
    blocks: spec.layers.map((layer, i) => {
      const [q, k, v, o, up, down] = speechLinears(spec, layer).map(({ name }) => name)
      const names = { q: q!, k: k!, v: v!, o: o!, up: up!, down: down! }
      return encoderBlock(`${prefix}encoder.layers.${i}.`, names, {
        ...{ width, heads: layer.num_heads, head_dim: spec.head_dim },
        ...{ feed_forward: layer.intermediate_size, ranks: layer.ranks },
      })
    }),
    heads: headsOf(spec),
    norms: 2 * width + normsInFront(spec, heard) + (spec.masked_embedding ? width : 0),
  }
}

function inputOf({ convolutions, stacked_frames }: SpeechSpec, prefix: string): InputSize {
  if (convolutions.length === 0)
    return { kind: 'filterbank', window: WINDOW, hop: HOP, stacked: stacked_frames }
  const layers = convolutions.map(({ channels: outputs, kernel, stride, bias }, i): ConvolutionSize => {
    const shape = { inputs: i === 0 ? 1 : convolutions[i - 1]!.channels, outputs, kernel, stride, bias }
    const name = `${prefix}feature_extractor.conv_layers.${i}.conv`
    return { name, ...shape, padding: 0, groups: 1, weight_norm: false }
  })
  return { kind: 'convolutions', layers }
}

// An even kernel gives one position more than goes in, and that one is cut off.
function positionalOf(spec: SpeechSpec, prefix: string): ConvolutionSize {
  const { hidden_size, position_kernel: kernel, position_groups: groups } = spec
  return {
    name: prefix + NAMES[spec.architecture].positional,
    ...{ inputs: hidden_size, outputs: hidden_size, kernel, stride: 1, groups, bias: true },
    ...{ padding: Math.floor(kernel / 2), weight_norm: spec.position_weight_norm },
  }
}

const headsOf = ({ vocab_size: outputs, hidden_size: inputs }: SpeechSpec): HeadSize[] =>
  outputs === 0 ? [] : [{ name: 'final_proj', inputs, outputs, bias: true, runs: 'training' }]

function normsInFront({ convolutions, projection_norm }: SpeechSpec, heard: number): number {
  const ofConvolutions = convolutions.reduce(
    (sum, { channels, norm }) => sum + (norm === 'none' ? 0 : channels),
    0,
  )
  return 2 * (ofConvolutions + (projection_norm ? heard : 0))
}
