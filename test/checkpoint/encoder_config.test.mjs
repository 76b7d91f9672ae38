// config.json of text encoders: what is read of it, what is refused, and how many parameters follow.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { encoderSpec } from '#lib/checkpoint/encoder_config'
import { withLayers } from '#lib/checkpoint/layer_config'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { modelSpec, mostPositions } from '#lib/checkpoint/model_spec'
import { countParameters } from '#lib/counting/parameters'
import { readTensors } from '../helpers/safetensors.mjs'
import { encoderConfig } from '../helpers/tiny_encoder.mjs'

const golden = join(dirname(fileURLToPath(import.meta.url)), '../golden/encoder')
const configOf = (name) => JSON.parse(readFileSync(join(golden, name, 'config.json'), 'utf8'))

test('what a config leaves out is what transformers takes', () => {
  const config = encoderConfig()
  delete config.max_position_embeddings
  const spec = encoderSpec(config)
  assert.deepEqual(
    [spec.max_positions, spec.type_vocab_size, spec.layer_norm_eps, spec.hidden_act, spec.first_position],
    [512, 2, 1e-12, 'gelu', 0],
  )
  assert.equal(spec.tie_word_embeddings, true)
  const roberta = encoderSpec({
    ...config,
    model_type: 'roberta',
    architectures: ['RobertaModel'],
    hidden_act: 'relu',
  })
  assert.deepEqual(
    [roberta.first_position, roberta.head, roberta.bare, roberta.head_act],
    [2, 'none', true, 'gelu'],
  )
})

test('a row of RoBERTa has two places fewer than positions', () => {
  const config = { ...encoderConfig(), max_position_embeddings: 34 }
  assert.equal(mostPositions(encoderSpec(config)), 34)
  const roberta = { ...config, model_type: 'roberta', architectures: ['RobertaModel'] }
  assert.equal(mostPositions(encoderSpec(roberta)), 32)
})

test('labels are those of id2label, in the order of their numbers', () => {
  const classifier = (more) =>
    encoderSpec(encoderConfig({ architectures: ['BertForSequenceClassification'], ...more })).labels
  assert.deepEqual(classifier({ id2label: { 1: 'bad', 0: 'good' } }), ['good', 'bad'])
  assert.deepEqual(classifier({}), ['LABEL_0', 'LABEL_1'])
  assert.deepEqual(classifier({ num_labels: 3 }).length, 3)
})

test('parameters are counted in closed form as the files have them', () => {
  for (const name of readdirSync(golden).filter((entry) => !entry.includes('.') && entry !== 'bert_legacy')) {
    const files = readdirSync(join(golden, name)).filter((file) => /^model.*\.safetensors$/.test(file))
    const stored = files
      .flatMap((file) => Object.values(readTensors(join(golden, name, file))))
      .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
    assert.equal(countParameters(encoderSpec(configOf(name))), stored, name)
  }
})

for (const [what, changes, key, message] of [
  ['no class', { architectures: undefined }, 'architectures', /a list of one class/],
  [
    'a class of another task',
    { architectures: ['BertForTokenClassification'] },
    'architectures',
    /BertForMaskedLM/,
  ],
  ['a class of another family', { architectures: ['RobertaModel'] }, 'architectures', /a class of bert/],
  [
    'relative positions',
    { position_embedding_type: 'relative_key' },
    'position_embedding_type',
    /"absolute"/,
  ],
  ['a decoder', { is_decoder: true }, 'is_decoder', /looks both ways/],
  ['an unknown activation', { hidden_act: 'mish' }, 'hidden_act', /one of gelu, gelu_new/],
  [
    'heads that do not divide',
    { num_attention_heads: 3 },
    'hidden_size',
    /a multiple of num_attention_heads/,
  ],
  [
    'labels with a gap',
    { architectures: ['BertForSequenceClassification'], id2label: { 0: 'a', 2: 'b' } },
    'id2label',
    /each number from 0 to 1/,
  ],
  [
    'no room for a position',
    { max_position_embeddings: 1, model_type: 'roberta', architectures: ['RobertaModel'] },
    'max_position_embeddings',
    /more than 2 rows/,
  ],
]) {
  test(`a config with ${what} is refused by its key`, () => {
    assert.throws(
      () => encoderSpec(encoderConfig(changes), 'here/config.json'),
      (error) => {
        assert.equal(error.code, 'ERR_MODEL_CONFIG')
        assert.equal(error.details.key, key)
        assert.match(error.message, message)
        assert.match(error.message, /^here\/config\.json: /)
        assert.match(error.hint, /Compare config\.json/)
        return true
      },
    )
  })
}

test('a model of unknown type is refused with all that are known, a decoder where only those are', () => {
  assert.throws(
    () => modelSpec({ model_type: 't5' }),
    (error) => {
      assert.match(error.message, /llama, .*bert, roberta, melhubert, hubert, wav2vec2/)
      assert.match(error.hint, /model_type llama, .*bert, roberta, melhubert, hubert, wav2vec2\./)
      return true
    },
  )
  assert.throws(() => decoderSpec(encoderConfig()), /expected a supported architecture \(llama/)
})

test('a config of other blocks stays stock where transformers can load it, and names itself ours where not', () => {
  const config = encoderConfig()
  const layer = (num_heads, intermediate_size, ranks = {}) => ({
    num_heads,
    num_kv_heads: num_heads,
    intermediate_size,
    window: 0,
    ranks,
  })
  const write = (...layers) => withLayers(config, layers, { head_dim: 8 })
  const thin = write(layer(2, 9))
  assert.deepEqual([thin.model_type, thin.num_hidden_layers, thin.intermediate_size], ['bert', 1, 9])
  assert.ok(!('num_key_value_heads' in thin) && !('layers' in thin) && !('head_dim' in thin))
  // all blocks alike, but narrower than the model: stock loaders take hidden_size / heads
  const narrow = write(layer(1, 24), layer(1, 24))
  assert.equal(narrow.model_type, 'tongueforge_bert')
  assert.deepEqual(narrow.architectures, ['TongueforgeBertForMaskedLM'])
  const layers = [layer(1, 24, { 'output.dense': 3 }), layer(2, 7)]
  const mixed = write(...layers)
  const spec = modelSpec(mixed)
  assert.deepEqual([spec.layers, spec.head_dim, spec.head], [layers, 8, 'masked_lm'])
  assert.deepEqual(withLayers(mixed, [layer(2, 24), layer(2, 24)], { head_dim: 8 }), config)
  mixed.layers[0].ranks = { 'output.missing': 3 }
  assert.throws(() => modelSpec(mixed), /layers\.ranks: expected names among attention\.self\.query/)
})
