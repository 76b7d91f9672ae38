import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decoderSpec } from '#lib/checkpoint/model_config'

const tiny = {
  model_type: 'llama',
  vocab_size: 64,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  max_position_embeddings: 4096,
}
const rope = (changes) => decoderSpec({ ...tiny, ...changes }).rope
const refuses = (changes, pattern) =>
  assert.throws(() => rope(changes), { code: 'ERR_MODEL_CONFIG', message: pattern })

test('the classic keys and those of transformers 5 give the same rope', () => {
  const scaling = {
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 1024,
  }
  const classic = rope({ rope_theta: 500000, rope_scaling: scaling })
  assert.deepEqual(rope({ rope_parameters: { ...scaling, rope_theta: 500000 } }), classic)
  assert.deepEqual(
    [classic.kind, classic.theta, classic.factor, classic.low_freq_factor, classic.high_freq_factor],
    ['llama3', 500000, 8, 1, 4],
  )
  assert.equal(classic.original_max_positions, 1024)
})

test('an early spelling has `type` instead of `rope_type`', () => {
  assert.equal(rope({ rope_scaling: { type: 'linear', factor: 2 } }).kind, 'linear')
  assert.equal(rope({ rope_scaling: { type: 'linear', factor: 2 } }).factor, 2)
})

test('rope_scaling wins over rope_parameters, unless it is null or empty', () => {
  const parameters = { rope_type: 'dynamic', factor: 4, rope_theta: 5 }
  assert.equal(
    rope({ rope_scaling: { type: 'linear', factor: 2 }, rope_parameters: parameters }).kind,
    'linear',
  )
  for (const empty of [null, {}]) {
    const made = rope({ rope_scaling: empty, rope_parameters: parameters, rope_theta: 7 })
    assert.deepEqual([made.kind, made.factor, made.theta], ['dynamic', 4, 5])
  }
})

test('dynamic counts from max_position_embeddings, whatever else is written', () => {
  const made = rope({ rope_scaling: { type: 'dynamic', factor: 2, original_max_position_embeddings: 64 } })
  assert.equal(made.original_max_positions, 4096)
})

test('yarn: the attention factor is given, follows from the factor, or from both mscale keys', () => {
  const yarn = (keys) =>
    rope({ rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 1024, ...keys } })
  const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-12, `${a} is not ${b}`)
  near(yarn({}).attention_factor, 0.1 * Math.log(4) + 1)
  near(yarn({ attention_factor: 1.5 }).attention_factor, 1.5)
  near(
    yarn({ mscale: 0.75, mscale_all_dim: 0.5 }).attention_factor,
    (0.075 * Math.log(4) + 1) / (0.05 * Math.log(4) + 1),
  )
  near(yarn({ mscale: 0.75 }).attention_factor, 0.1 * Math.log(4) + 1)
  near(yarn({ factor: 0.5 }).attention_factor, 1)
  assert.deepEqual([yarn({}).beta_fast, yarn({}).beta_slow, yarn({}).truncate], [32, 1, true])
  assert.deepEqual(yarn({ beta_fast: 16, beta_slow: 2, truncate: false }).truncate, false)
})

test('yarn without a factor takes the ratio of the two lengths', () => {
  assert.equal(
    rope({ rope_scaling: { rope_type: 'yarn', original_max_position_embeddings: 1024 } }).factor,
    4,
  )
})

test('the original length may stand at the top level, where it wins', () => {
  const made = rope({
    original_max_position_embeddings: 512,
    rope_scaling: { rope_type: 'yarn', factor: 2, original_max_position_embeddings: 1024 },
  })
  assert.equal(made.original_max_positions, 512)
})

test('what we cannot compute is refused by its key', () => {
  refuses(
    { rope_scaling: { type: 'longrope', factor: 2 } },
    /rope_scaling\.rope_type: expected one of default, linear, dynamic, llama3, yarn, received "longrope"/,
  )
  refuses(
    { rope_scaling: { type: 'linear' } },
    /rope_scaling\.factor: expected a value, which rope of kind linear needs, received nothing/,
  )
  refuses({ rope_scaling: { type: 'linear', factor: -2 } }, /rope_scaling\.factor: expected a number above 0/)
  refuses({ rope_scaling: { rope_type: 'llama3', factor: 8 } }, /low_freq_factor/)
  refuses(
    { rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 4, high_freq_factor: 4 } },
    /high_freq_factor: expected a number above low_freq_factor/,
  )
  refuses({ partial_rotary_factor: 0.5 }, /partial_rotary_factor: expected 1 .*, received 0.5/)
  refuses({ rope_parameters: { partial_rotary_factor: 0.5 } }, /rope_parameters\.partial_rotary_factor/)
  refuses({ rope_parameters: { full_attention: {} } }, /expected one rope for all layers/)
  refuses({ rope_theta: 0 }, /rope_theta/)
  refuses({ rope_theta: null, rope_scaling: 'linear' }, /rope_scaling: expected a table/)
})
