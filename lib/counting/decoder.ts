/** Sizes of a decoder: Llama, Mistral, Qwen2, Qwen3. */
import type { LayerSpec } from '../checkpoint/layers'
import { type DecoderSpec, layerLinears } from '../checkpoint/model_config'
import type { BlockSize, LinearSize, ModelSize } from './model_size'

const TABLE = 'model.embed_tokens'

export function decoderSize(spec: DecoderSpec): ModelSize {
  const { vocab_size: rows, hidden_size: columns, tie_word_embeddings } = spec
  const tied = tie_word_embeddings ? `${TABLE}.weight` : undefined
  return {
    input: { kind: 'tokens' },
    tables: [{ name: TABLE, rows, columns }],
    projections: [],
    blocks: spec.layers.map((layer, i) => block(spec, layer, `model.layers.${i}.`)),
    heads: [{ name: 'lm_head', inputs: columns, outputs: rows, bias: false, runs: 'position', tied }],
    norms: columns,
  }
}

function block(spec: DecoderSpec, layer: LayerSpec, prefix: string): BlockSize {
  const { hidden_size, head_dim, qk_norm } = spec
  const { num_heads: heads, window, ranks } = layer
  const [q, k, v, o, ...feed_forward] = layerLinears(spec, layer).map(
    ({ name, in: inputs, out: outputs, bias }): LinearSize => ({
      ...{ name: prefix + name, inputs, outputs, bias },
      rank: ranks[name],
    }),
  )
  return {
    attention: { heads, head_dim, causal: true, window, q: q!, k: k!, v: v!, o: o! },
    feed_forward,
    norms: 2 * hidden_size + (qk_norm ? 2 * head_dim : 0),
  }
}
