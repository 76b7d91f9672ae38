// Specs of decoders as compression leaves them: every layer with sizes of its own, some linears factored.
import fc from 'fast-check'
import { decoderSpec } from '#lib/checkpoint/model_config'

const MODULES = ['q_proj', 'k_proj', 'v_proj', 'o_proj']
  .map((name) => `self_attn.${name}`)
  .concat(['gate_proj', 'up_proj', 'down_proj'].map((name) => `mlp.${name}`))

const size = fc.integer({ min: 1, max: 6 })
const layer = fc.record({
  num_kv_heads: size,
  groups: size,
  intermediate_size: fc.integer({ min: 1, max: 20 }),
  window: fc.constantFrom(0, 0, 3, 7),
  ranks: fc.dictionary(fc.constantFrom(...MODULES), size, { maxKeys: 3 }),
})

/** An arbitrary decoder of any family; biases, norms of q and k, a tied head as they come. */
export const decoderSpecs = fc
  .record({
    model_type: fc.constantFrom('llama', 'mistral', 'qwen2', 'qwen3'),
    vocab_size: fc.integer({ min: 4, max: 50 }),
    hidden_size: fc.integer({ min: 1, max: 12 }),
    half_head: fc.integer({ min: 1, max: 4 }),
    flags: fc.record({
      attention_bias: fc.boolean(),
      mlp_bias: fc.boolean(),
      tie_word_embeddings: fc.boolean(),
    }),
    layers: fc.array(layer, { minLength: 1, maxLength: 4 }),
  })
  .map(({ model_type, vocab_size, hidden_size, half_head, flags, layers }) => ({
    ...decoderSpec({
      ...{ model_type, vocab_size, hidden_size, head_dim: 2 * half_head, ...flags },
      ...{ intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 1, num_key_value_heads: 1 },
    }),
    layers: layers.map(({ groups, num_kv_heads, ...sizes }) => ({
      ...{ num_heads: groups * num_kv_heads, num_kv_heads },
      ...sizes,
      ranks: { ...sizes.ranks },
    })),
  }))
