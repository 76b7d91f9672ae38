// config.json of compressed models: written by withLayers, read by decoderSpec.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { withLayers } from '#lib/checkpoint/layer_config'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { countParameters } from '#lib/counting/parameters'

const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 64,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
}
const layer = { num_heads: 4, num_kv_heads: 2, intermediate_size: 48, window: 0, ranks: {} }
const changed = (...layers) => withLayers(config, layers, { head_dim: 8 })
const refuses = (content, pattern) =>
  assert.throws(
    () => decoderSpec(content, 'some/config.json'),
    (error) => {
      assert.equal(error.code, 'ERR_MODEL_CONFIG')
      assert.match(error.message, pattern)
      return true
    },
  )

test('blocks that stay as they are leave config.json as it is', () => {
  assert.deepEqual(changed(layer, layer), config)
})

test('blocks of one size are said in the keys that every loader knows', () => {
  const narrow = { ...layer, num_heads: 2, num_kv_heads: 1, intermediate_size: 16 }
  assert.deepEqual(changed(narrow, narrow, narrow), {
    ...config,
    num_hidden_layers: 3,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    intermediate_size: 16,
    head_dim: 8, // no longer hidden_size / heads
  })
})

test('blocks of several sizes make a model_type of our own, which stock loaders refuse by its name', () => {
  const narrow = { ...layer, num_heads: 2, num_kv_heads: 1 }
  const result = changed(layer, narrow)
  assert.equal(result.model_type, 'tongueforge_llama')
  assert.deepEqual(result.architectures, ['TongueforgeLlamaForCausalLM'])
  assert.deepEqual(result.layers, [
    { num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 48 },
    { num_attention_heads: 2, num_key_value_heads: 1, intermediate_size: 48 },
  ])
  const spec = decoderSpec(result)
  assert.equal(spec.architecture, 'llama')
  assert.deepEqual(spec.layers, [layer, narrow])
})

test('once blocks are equal again, the model is a stock one again', () => {
  const mixed = changed(layer, { ...layer, ranks: { 'mlp.up_proj': 4 } })
  assert.equal(mixed.model_type, 'tongueforge_llama')
  assert.deepEqual(withLayers(mixed, [layer, layer], { head_dim: 8 }), config)
})

test('any blocks go to config.json and back (seed printed on failure)', () => {
  const size = fc.integer({ min: 1, max: 40 })
  const ranks = fc.dictionary(
    fc.constantFrom('self_attn.q_proj', 'mlp.up_proj', 'mlp.down_proj'),
    fc.integer({ min: 1, max: 8 }),
  )
  const block = fc
    .record({
      kv: fc.integer({ min: 1, max: 3 }),
      of: fc.integer({ min: 1, max: 3 }),
      size: fc.integer({ min: 8, max: 40 }),
      ranks,
    })
    .map(({ kv, of, size: intermediate_size, ranks }) => ({
      num_heads: kv * of,
      num_kv_heads: kv,
      intermediate_size,
      window: 0,
      ranks: { ...ranks },
    }))
  fc.assert(
    fc.property(fc.array(block, { minLength: 1, maxLength: 5 }), size, (layers) => {
      const spec = decoderSpec(changed(...layers))
      assert.deepEqual(spec.layers, layers)
      assert.equal(spec.head_dim, 8)
      assert.ok(countParameters(spec) > 0)
    }),
  )
})

test('windows of kept layers are written out, since a layer is no longer known by its number', () => {
  const qwen = {
    ...config,
    model_type: 'qwen2',
    use_sliding_window: true,
    sliding_window: 16,
    max_window_layers: 1,
  }
  const [, windowed] = decoderSpec(qwen).layers
  const result = withLayers(qwen, [windowed], { head_dim: 8 })
  assert.deepEqual(result.layer_types, ['sliding_attention'])
  assert.deepEqual(decoderSpec(result).layers, [windowed])
})

test('a list that does not fit is refused by key', () => {
  const own = changed(layer, { ...layer, intermediate_size: 8 })
  refuses({ ...own, layers: undefined }, /layers: expected one entry for each of 2 layers, received nothing/)
  refuses({ ...own, layers: own.layers.slice(1) }, /layers: expected one entry for each of 2 layers/)
  const first = (changes) => ({ ...own, layers: [{ ...own.layers[0], ...changes }, own.layers[1]] })
  refuses(
    first({ num_attention_heads: 3 }),
    /num_key_value_heads: expected a divisor of num_attention_heads \(3\)/,
  )
  refuses(
    first({ ranks: { 'mlp.up': 4 } }),
    /layers\.ranks: expected names among self_attn\.q_proj, .*, received "mlp\.up"/,
  )
  refuses(
    first({ ranks: { 'mlp.up_proj': 33 } }),
    /layers\.ranks\.mlp\.up_proj: expected a rank of at most 32, received 33/,
  )
  refuses(first({ heads: 3 }), /layers\.0/)
})
