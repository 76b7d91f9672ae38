/** Sizes of speech encoders: HuBERT (Hsu et al. 2021, arXiv 2106.07447), MelHuBERT (Lin et al. 2022, arXiv 2211.09944). */
import type { ConvolutionSize } from './convolution'
import { type EncoderBlockSizes, encoderBlock } from './encoder_block'
import type { ModelSize } from './model_size'

export interface SpeechSizes {
  /** Of the blocks, which may differ in heads and feed-forward width. */
  blocks: readonly Omit<EncoderBlockSizes, 'width'>[]
  width: number
  /** What is foretold in training. */
  clusters: number
}

const NAMES = {
  ...{ q: 'self_attn.q_proj', k: 'self_attn.k_proj', v: 'self_attn.v_proj', o: 'self_attn.out_proj' },
  ...{ up: 'fc1', down: 'fc2' },
}
const blocksOf = ({ blocks, width }: SpeechSizes) =>
  blocks.map((sizes, i) => encoderBlock(`encoder.layers.${i}.`, NAMES, { width, ...sizes }))

/** A grouped convolution over 128 positions; it gives one position more than goes in, and that one is cut off. */
function positional(width: number): ConvolutionSize {
  const shape = { inputs: width, outputs: width, kernel: 128, stride: 1, padding: 64, groups: 16 }
  return { name: 'encoder.pos_conv.0', ...shape, bias: true, weight_norm: true }
}

export interface HubertSizes extends SpeechSizes {
  /** Channels of the seven convolutions over samples. */
  channels: number
  /** Width in which positions and clusters are compared. */
  final_width: number
}

const KERNELS = [10, 3, 3, 3, 3, 2, 2]
const STRIDES = [5, 2, 2, 2, 2, 2, 2]

/** A position every 320 samples. */
export function hubertSize(sizes: HubertSizes): ModelSize {
  const { width, channels, clusters, final_width } = sizes
  const layers = KERNELS.map((kernel, i): ConvolutionSize => {
    const shape = { inputs: i === 0 ? 1 : channels, outputs: channels, kernel, stride: STRIDES[i]! }
    const name = `feature_extractor.conv_layers.${i}.0`
    return { name, ...shape, padding: 0, groups: 1, bias: false, weight_norm: false }
  })
  return {
    input: { kind: 'convolutions', layers },
    tables: [{ name: 'label_embs_concat', rows: clusters, columns: final_width }],
    projections: [{ name: 'post_extract_proj', inputs: channels, outputs: width, bias: true }],
    positional: positional(width),
    blocks: blocksOf(sizes),
    heads: [{ name: 'final_proj', inputs: width, outputs: final_width, bias: true, runs: 'training' }],
    norms: 2 * channels + 2 * channels + 2 * width + width, // group norm, layer norms, what masked places get
  }
}

export interface MelHubertSizes extends SpeechSizes {
  /** Mel bins: 40. */
  bins: number
  /** 10 ms frames that make one position: 1 or 2. */
  stacked: number
}

/** A position every 160 or 320 samples; frames of 25 ms. The filterbank itself is not counted. */
export function melHubertSize(sizes: MelHubertSizes): ModelSize {
  const { width, bins, stacked, clusters } = sizes
  return {
    input: { kind: 'filterbank', window: 400, hop: 160, stacked },
    tables: [],
    projections: [{ name: 'pre_extract_proj', inputs: bins * stacked, outputs: width, bias: true }],
    positional: positional(width),
    blocks: blocksOf(sizes),
    heads: [{ name: 'final_proj', inputs: width, outputs: clusters, bias: true, runs: 'training' }],
    norms: 2 * width,
  }
}
