/** A block as BERT and all its kin have it: biases everywhere, two layer norms, one hidden layer, no mask. */
import type { BlockSize, LinearSize } from './model_size'

export interface EncoderBlockSizes {
  /** Of the model. */
  width: number
  heads: number
  head_dim: number
  feed_forward: number
  /** Of factored layers, by module: `names.q` and so on. */
  ranks?: Readonly<Record<string, number>> | undefined
}

/** Names of its linear layers within the block. */
export interface EncoderBlockNames {
  q: string
  k: string
  v: string
  o: string
  up: string
  down: string
}

export function encoderBlock(prefix: string, names: EncoderBlockNames, sizes: EncoderBlockSizes): BlockSize {
  const { width, heads, head_dim, feed_forward, ranks = {} } = sizes
  const linear = (module: string, inputs: number, outputs: number): LinearSize => ({
    ...{ name: prefix + module, inputs, outputs, bias: true },
    rank: ranks[module],
  })
  const inner = heads * head_dim
  return {
    attention: {
      ...{ heads, head_dim, causal: false, window: 0 },
      q: linear(names.q, width, inner),
      k: linear(names.k, width, inner),
      v: linear(names.v, width, inner),
      o: linear(names.o, inner, width),
    },
    feed_forward: [linear(names.up, width, feed_forward), linear(names.down, feed_forward, width)],
    norms: 4 * width,
  }
}
