import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ARCHITECTURES, decoderSpec, hubClass } from '#lib/checkpoint/model_config'
import { countParameters } from '#lib/counting/parameters'
import { dataTest } from '../helpers/data.mjs'

const tiny = {
  model_type: 'llama',
  vocab_size: 64,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
}
const spec = (changes = {}) => decoderSpec({ ...tiny, ...changes })
const windows = (changes) => spec(changes).layers.map(({ window }) => window)
const refuses = (changes, pattern) => {
  assert.throws(
    () => decoderSpec({ ...tiny, ...changes }, 'some/config.json'),
    (error) => {
      assert.equal(error.code, 'ERR_MODEL_CONFIG')
      assert.match(error.message, pattern)
      assert.match(error.message, /^some\/config\.json: .*: expected .*, received /)
      assert.equal(error.details.file, 'some/config.json')
      assert.ok(error.hint.length > 0)
      return true
    },
  )
}

test('a small llama config becomes a complete spec with the defaults of its family', () => {
  assert.deepEqual(spec(), {
    kind: 'decoder',
    architecture: 'llama',
    vocab_size: 64,
    hidden_size: 32,
    head_dim: 8,
    max_positions: 2048,
    rms_norm_eps: 1e-6,
    hidden_act: 'silu',
    tie_word_embeddings: false,
    attention_bias: false,
    o_bias: false,
    mlp_bias: false,
    qk_norm: false,
    sliding_window: 0,
    layers: Array(2).fill({
      num_heads: 4,
      num_kv_heads: 2,
      intermediate_size: 48,
      window: 0,
      ranks: {},
    }),
    rope: {
      kind: 'default',
      theta: 10000,
      factor: 1,
      original_max_positions: 2048,
      low_freq_factor: 1,
      high_freq_factor: 1,
      attention_factor: 1,
      beta_fast: 32,
      beta_slow: 1,
      truncate: true,
    },
    dtype: null,
  })
})

test('an unknown architecture is refused with the list of supported ones', () => {
  refuses(
    { model_type: 'gpt2' },
    /model_type: expected a supported architecture \(llama, mistral, qwen2, qwen3\), received "gpt2"/,
  )
  refuses({ model_type: undefined }, /model_type: .* received nothing/)
})

test('sizes out of range, of the wrong type or missing are refused by name', () => {
  refuses({ hidden_size: -3 }, /hidden_size: expected a whole number from 1 to 1048576, received -3/)
  refuses({ num_attention_heads: 0 }, /num_attention_heads/)
  refuses(
    { num_hidden_layers: 1e6 },
    /num_hidden_layers: expected a whole number from 1 to 4096, received 1000000/,
  )
  refuses({ vocab_size: 2 ** 31 }, /vocab_size/)
  refuses({ vocab_size: 1e308 }, /vocab_size/)
  refuses({ vocab_size: '64' }, /vocab_size: .* received "64"/)
  refuses({ intermediate_size: undefined }, /intermediate_size: .* received nothing/)
  refuses({ rms_norm_eps: -1 }, /rms_norm_eps/)
  refuses({ tie_word_embeddings: 'yes' }, /tie_word_embeddings: expected true or false/)
})

test('sizes that contradict each other are refused', () => {
  refuses({ hidden_size: 30 }, /hidden_size: expected a multiple of num_attention_heads \(4\)/)
  refuses(
    { num_key_value_heads: 3 },
    /num_key_value_heads: expected a divisor of num_attention_heads \(4\), received 3/,
  )
  refuses({ head_dim: 7 }, /head_dim: expected an even number/)
  assert.equal(spec({ hidden_size: 30, head_dim: 8 }).head_dim, 8)
})

test('sizes each within bounds but absurd together are refused before anything is allocated', () => {
  refuses(
    { hidden_size: 2 ** 20, intermediate_size: 2 ** 22, num_hidden_layers: 4096 },
    /10000000000000 parameters/,
  )
})

test('activations other than silu, quantised models and odd dtypes are refused', () => {
  refuses({ hidden_act: 'gelu' }, /hidden_act: expected "silu", received "gelu"/)
  refuses({ hidden_act: 'gelu_pytorch_tanh' }, /hidden_act/)
  refuses(
    { is_causal: false },
    /is_causal: expected true: each token sees those before it alone, received false/,
  )
  refuses({ quantization_config: { bits: 4 } }, /quantization_config: expected no quantisation/)
  refuses({ torch_dtype: 'float8_e4m3fn' }, /torch_dtype: expected one of float32, bfloat16, float16/)
})

test('dtype is read under its old and its new name', () => {
  assert.equal(spec({ torch_dtype: 'bfloat16' }).dtype, 'bfloat16')
  assert.equal(spec({ dtype: 'float16', torch_dtype: 'bfloat16' }).dtype, 'float16')
  assert.equal(spec({ dtype: 'torch.float32' }).dtype, 'float32')
  assert.equal(spec({ dtype: 'auto' }).dtype, null)
})

test('biases follow the family: qwen2 always on q, k, v; llama and qwen3 as attention_bias says, output included', () => {
  const biases = ({ attention_bias, o_bias, mlp_bias }) => [attention_bias, o_bias, mlp_bias]
  assert.deepEqual(biases(spec({ model_type: 'qwen2' })), [true, false, false])
  assert.deepEqual(biases(spec({ model_type: 'qwen2', attention_bias: true, mlp_bias: true })), [
    true,
    false,
    false,
  ])
  assert.deepEqual(biases(spec({ attention_bias: true, mlp_bias: true })), [true, true, true])
  assert.deepEqual(biases(spec({ model_type: 'qwen3', attention_bias: true })), [true, true, false])
  assert.deepEqual(biases(spec({ model_type: 'mistral', attention_bias: true })), [false, false, false])
})

test('qwen3 has norms on q and k, and heads of 128 where the config is silent', () => {
  const qwen3 = spec({ model_type: 'qwen3' })
  assert.equal(qwen3.qk_norm, true)
  assert.equal(qwen3.head_dim, 128)
})

test('key/value heads: absent takes the default of the family, null means one a head', () => {
  const heads = (changes) =>
    spec({ num_attention_heads: 32, hidden_size: 64, ...changes }).layers[0].num_kv_heads
  assert.equal(heads({ num_key_value_heads: undefined }), 32)
  assert.equal(heads({ num_key_value_heads: undefined, model_type: 'mistral' }), 8)
  assert.equal(heads({ num_key_value_heads: null, model_type: 'mistral' }), 32)
})

test('the sliding window of mistral holds for all layers, null for none, absent is 4096', () => {
  assert.deepEqual(windows({ model_type: 'mistral', sliding_window: 16 }), [16, 16])
  assert.deepEqual(windows({ model_type: 'mistral', sliding_window: null }), [0, 0])
  assert.deepEqual(windows({ model_type: 'mistral' }), [4096, 4096])
  assert.deepEqual(windows({ sliding_window: 16 }), [0, 0], 'llama has none')
  const mixed = ['full_attention', 'sliding_attention']
  refuses({ model_type: 'mistral', sliding_window: 16, layer_types: mixed }, /layer_types/)
})

test('the sliding window of qwen holds from max_window_layers on, or where layer_types says, and only if used', () => {
  const qwen = { model_type: 'qwen2', use_sliding_window: true, sliding_window: 16 }
  assert.deepEqual(windows({ ...qwen, max_window_layers: 1 }), [0, 16])
  assert.equal(spec({ ...qwen, max_window_layers: 1 }).sliding_window, 16)
  assert.deepEqual(windows({ ...qwen, max_window_layers: 0, use_sliding_window: false }), [0, 0])
  assert.deepEqual(windows(qwen), [0, 0], '28 layers come first')
  const types = ['sliding_attention', 'full_attention']
  assert.deepEqual(windows({ ...qwen, layer_types: types }), [16, 0])
  refuses(
    { ...qwen, layer_types: ['full_attention'] },
    /layer_types: expected one entry for each of 2 layers/,
  )
  refuses({ ...qwen, layer_types: ['linear_attention', 'full_attention'] }, /layer_types\.0/)
  refuses({ model_type: 'qwen2', layer_types: types }, /sliding_window: expected a window/)
})

test('every architecture names its class', () => {
  assert.deepEqual(ARCHITECTURES.map(hubClass), [
    'LlamaForCausalLM',
    'MistralForCausalLM',
    'Qwen2ForCausalLM',
    'Qwen3ForCausalLM',
  ])
})

test('keys that we do not know are of no harm, __proto__ among them', () => {
  const config = JSON.parse('{"__proto__": {"head_dim": 2}, "pretraining_tp": 1, "constructor": 3}')
  assert.equal(decoderSpec({ ...tiny, ...config }).head_dim, 8)
})

const published = {
  'llama-3.1-8b': 8030261248,
  'qwen2-0.5b': 494032768,
  'qwen3-0.6b': 596049920,
  'mistral-nemo-base-2407': 12247782400,
}
for (const [name, parameters] of Object.entries(published)) {
  dataTest(
    `the config of ${name} counts ${parameters} parameters`,
    `model_configs/${name}.config.json`,
    (_, file) => {
      const made = decoderSpec(JSON.parse(readFileSync(file, 'utf8')), file)
      assert.equal(countParameters(made), parameters)
      assert.equal(made.dtype, 'bfloat16')
      assert.equal(made.sliding_window, 0)
    },
  )
}

dataTest(
  'the config of a speech model is refused as no decoder',
  'model_configs/hubert-base.config.json',
  (_, file) => {
    assert.throws(() => decoderSpec(JSON.parse(readFileSync(file, 'utf8')), file), /received "hubert"/)
  },
)
