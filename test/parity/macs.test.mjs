// MACs and parameters against torch's own counter on models of transformers, to the last one. New random sizes each
// time; TONGUEFORGE_PARITY_SEED repeats a run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hubClass } from '#lib/checkpoint/model_config'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { countMacs } from '#lib/counting/macs'
import { countParameters } from '#lib/counting/parameters'
import { modelSize } from '#lib/counting/registry'
import { Random } from '#lib/text/random'
import { macsReference } from '../helpers/reference.mjs'

const TOKENS = [1, 7, 32, 61]
const seed = Number(process.env.TONGUEFORGE_PARITY_SEED ?? Math.floor(Math.random() * 1e6))
const named = `(TONGUEFORGE_PARITY_SEED=${seed})`
const random = new Random(seed)
const from = (least, most) => least + random.below(most - least + 1)

/** A config.json of a family with sizes that share nothing but what transformers asks for. */
function randomConfig(model_type, changes = {}) {
  const keys = from(1, 3)
  const heads = keys * from(1, 3)
  return {
    ...{ model_type, architectures: [hubClass(model_type)] },
    ...{ vocab_size: from(10, 90), hidden_size: heads * from(1, 9), intermediate_size: from(3, 60) },
    ...{ num_hidden_layers: from(1, 3), num_attention_heads: heads, num_key_value_heads: keys },
    ...{ head_dim: 2 * from(1, 8), max_position_embeddings: 128, tie_word_embeddings: from(0, 1) === 1 },
    ...changes,
  }
}

function randomLayer() {
  const keys = from(1, 3)
  return {
    num_attention_heads: keys * from(1, 3),
    num_key_value_heads: keys,
    intermediate_size: from(1, 50),
    ranks: { 'self_attn.q_proj': from(1, 9), 'mlp.down_proj': from(1, 9), 'mlp.gate_proj': from(1, 9) },
  }
}

/** The spec of a config whose blocks were changed one by one. */
function specOf({ config, layers }) {
  const spec = modelSpec(config)
  const changed = layers?.map((layer) => ({
    ...{ num_heads: layer.num_attention_heads, num_kv_heads: layer.num_key_value_heads },
    ...{ intermediate_size: layer.intermediate_size, window: 0, ranks: layer.ranks },
  }))
  return { ...spec, layers: changed ?? spec.layers }
}

function randomEncoder(model_type, architecture, changes = {}) {
  const heads = from(1, 4)
  return {
    ...{
      model_type,
      architectures: [architecture],
      vocab_size: from(10, 90),
      hidden_size: heads * from(1, 9),
    },
    ...{ intermediate_size: from(3, 60), num_hidden_layers: from(1, 3), num_attention_heads: heads },
    ...{ max_position_embeddings: 100, type_vocab_size: from(1, 3), pad_token_id: 1, ...changes },
  }
}

function randomSpeech(model_type, changes = {}) {
  const [heads, groups, convolutions] = [from(1, 3), from(1, 3), from(2, 4)]
  const each = (least, most) => Array.from({ length: convolutions }, () => from(least, most))
  return {
    ...{ model_type, architectures: [model_type === 'hubert' ? 'HubertModel' : 'Wav2Vec2Model'] },
    ...{
      hidden_size: heads * groups * from(2, 6),
      num_attention_heads: heads,
      intermediate_size: from(3, 60),
    },
    ...{
      num_hidden_layers: from(1, 3),
      num_conv_pos_embeddings: from(2, 9),
      num_conv_pos_embedding_groups: groups,
    },
    ...{ conv_dim: each(2, 20), conv_kernel: each(2, 5), conv_stride: each(1, 3), ...changes },
  }
}

async function check(cases, lengths = TOKENS) {
  const counted = await macsReference(cases.map((one) => ({ ...one, tokens: lengths })))
  for (const [i, { core, parameters }] of counted.entries()) {
    const size = modelSize(specOf(cases[i]))
    const ours = lengths.map((tokens) => countMacs(size, tokens).core)
    assert.deepEqual(ours, core, JSON.stringify(cases[i]))
    assert.equal(countParameters(specOf(cases[i])), parameters, JSON.stringify(cases[i]))
  }
}

test(`core and parameters are what torch counts in decoders of every family ${named}`, () =>
  check([
    ...['llama', 'mistral', 'qwen2', 'qwen3'].map((family) => ({ config: randomConfig(family) })),
    { config: randomConfig('llama', { attention_bias: true, mlp_bias: true }) },
    { config: randomConfig('mistral', { sliding_window: 5 }) },
    { config: randomConfig('qwen3', { use_sliding_window: true, sliding_window: 5, max_window_layers: 1 }) },
  ]))

test(`the same of decoders whose blocks are cut to sizes of their own and factored ${named}`, () =>
  check(
    ['llama', 'mistral', 'qwen2', 'qwen3'].map((family) => {
      const config = randomConfig(family, { sliding_window: null })
      return { config, layers: Array.from({ length: config.num_hidden_layers }, randomLayer) }
    }),
  ))

test(`the same of text encoders with every head ${named}`, () => {
  const labels = { id2label: { 0: 'a', 1: 'b', 2: 'c' }, label2id: { a: 0, b: 1, c: 2 } }
  return check([
    { config: randomEncoder('bert', 'BertForMaskedLM') },
    { config: randomEncoder('bert', 'BertForSequenceClassification', labels) },
    { config: randomEncoder('roberta', 'RobertaForMaskedLM') },
    { config: randomEncoder('roberta', 'RobertaForSequenceClassification', labels) },
  ])
})

test(`the same of speech encoders, over samples ${named}`, () => {
  const large = { feat_extract_norm: 'layer', conv_bias: true, do_stable_layer_norm: true }
  const samples = [700, 1001, 1600]
  return check(
    [
      { config: randomSpeech('hubert') },
      { config: randomSpeech('hubert', { feat_proj_layer_norm: false }) },
      { config: randomSpeech('hubert', large) },
      { config: randomSpeech('wav2vec2', { mask_time_prob: 0 }) },
      { config: randomSpeech('wav2vec2', large) },
    ],
    samples,
  )
})
