// What a config of `merge` may say, and the words in which the rest is refused.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytesOf } from '#lib/config/byte_size'
import { checkMergeConfig } from '#lib/config/merge_checks'
import { depthOf, lookUp, valueAt } from '#lib/config/merge_parameters'

const two = [{ model: 'a', parameters: { weight: 1 } }, { model: 'b' }]
const linear = { merge_method: 'linear', models: two, parameters: { weight: 0.5 } }
const ties = { merge_method: 'ties', base_model: 'c', models: two, parameters: { weight: 0.5, density: 0.5 } }

function refused(config, key, message, hint) {
  assert.throws(
    () => checkMergeConfig(config, 'm.yaml'),
    (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      assert.equal(error.details.key, key)
      assert.match(error.message, message)
      if (hint) assert.match(error.hint ?? '', hint)
      return true
    },
  )
}

describe('a config of merge', () => {
  test('is completed with its defaults', () => {
    const config = checkMergeConfig(linear, 'm.yaml')
    assert.equal(config.seed, 0)
    assert.equal(bytesOf(config.shard_size), 5e9)
    assert.equal(checkMergeConfig({ ...linear, tokenizer: {} }, 'm.yaml').tokenizer.source, 'union')
  })

  test('an unknown key is refused with the nearest one, at any depth', () => {
    refused({ ...linear, base_modle: 'c' }, 'base_modle', /unknown key/, /'base_model'/)
    refused(
      { ...linear, models: [{ modle: 'a' }] },
      'models.0.model',
      /expected text: PATH, or PATH\+ADAPTER/,
    )
    refused(
      { ...linear, models: [{ model: 'a', parameter: {} }] },
      'models.0.parameter',
      /unknown key/,
      /'parameters'/,
    )
    refused(
      { ...linear, tokenizer: { pad_to_multiple: 8 } },
      'tokenizer.pad_to_multiple',
      /unknown key/,
      /'pad_to_multiple_of'/,
    )
    refused({ ...linear, merge_method: 'tie' }, 'merge_method', /expected linear \| slerp/)
  })

  test('a parameter that the method does not have is refused with the nearest one', () => {
    refused({ ...ties, parameters: { wieght: 1 } }, 'parameters.wieght', /no parameter of ties/, /'weight'/)
    refused({ ...linear, parameters: { constructor: 1 } }, 'parameters.constructor', /no parameter of linear/)
    refused(
      { ...ties, models: [{ model: 'a', parameters: { normalize: true } }] },
      'models.0.parameters.normalize',
      /of the whole merge, not of one model/,
      /top level/,
    )
  })

  test('a parameter outside of its bounds is refused wherever it stands', () => {
    const density = [{ filter: 'mlp', value: [0.5, 1.5] }, { value: 1 }]
    refused({ ...ties, parameters: { density } }, 'parameters.density', /above 0 to 1, received 1.5/)
    refused({ ...ties, parameters: { density: 0 } }, 'parameters.density', /above 0 to 1, received 0/)
    const karcher = { merge_method: 'karcher', models: two, parameters: { max_iter: 3e9 } }
    refused(karcher, 'parameters.max_iter', /received 3000000000/)
    refused({ ...ties, parameters: { weight: 'much' } }, 'parameters.weight', /a gradient/)
  })

  test('keys of other programs are refused with the reason', () => {
    const cases = {
      modules: /vision/,
      experts: /mixture of experts/,
      gate_mode: /mixture of experts/,
      genome: /mergekit-evolve/,
      donor: /mergekit-tokensurgeon/,
    }
    for (const [key, reason] of Object.entries(cases)) refused({ ...linear, [key]: [] }, key, reason, /./)
  })

  test('models or slices, tokenizer or tokenizer_source: one of each', () => {
    refused({ merge_method: 'linear' }, 'models', /models or slices, received neither/, /models:/)
    const slices = [{ sources: [{ model: 'a', layer_range: [0, 1] }] }]
    refused({ ...linear, slices }, 'models', /received both/)
    refused(
      { ...linear, tokenizer: {}, tokenizer_source: 'base' },
      'tokenizer_source',
      /received both/,
      /tokenizer.source/,
    )
  })

  test('a row of another model goes by its token or by its id', () => {
    const source = { kind: 'model_token', model: 'b', token: 'x' }
    const from = (more) => ({ ...linear, tokenizer: { tokens: { t: { source: { ...source, ...more } } } } })
    assert.equal(checkMergeConfig(from({}), 'm.yaml').tokenizer.tokens.t.source.token, 'x')
    refused(from({ token_id: 9 }), 'tokenizer.tokens.t.source', /expected token or token_id, not both/)
  })

  test('what a method needs of its models is checked', () => {
    refused(
      { ...ties, base_model: undefined },
      'base_model',
      /the model that ties counts from/,
      /base_model:/,
    )
    refused({ ...linear, base_model: 'c' }, 'base_model', /linear has no base of its own/, /with its weight/)
    const slices = [{ sources: [{ model: 'a', layer_range: [0, 2] }] }]
    const stacked = { merge_method: 'passthrough', slices }
    refused(
      { ...stacked, base_model: 'c' },
      'base_model',
      /passthrough has no base of its own/,
      /under slices/,
    )
    const own = [{ ...slices[0], base_model: 'a' }]
    refused(
      { ...stacked, slices: own },
      'slices.0.base_model',
      /expected none, as passthrough/,
      /Leave it out/,
    )
    refused(
      { ...ties, models: [{ model: 'a' }, { model: 'b' }], merge_method: 'slerp', parameters: { t: 0.5 } },
      'models',
      /expected 1 model besides base_model for slerp, received 2/,
    )
    refused(
      { merge_method: 'passthrough', models: two.map(({ model }) => ({ model })) },
      'models',
      /1 model/,
      /what each takes/,
    )
    const slice = {
      sources: [
        { model: 'a', layer_range: [0, 2] },
        { model: 'b', layer_range: [0, 3] },
      ],
    }
    refused({ ...linear, models: undefined, slices: [slice] }, 'slices.0.sources', /received 2, 3 layers/)
    const backwards = { sources: [{ model: 'a', layer_range: [2, 2] }] }
    refused(
      { ...linear, models: undefined, slices: [backwards] },
      'slices.0.sources.0.layer_range',
      /first < end/,
    )
  })

  test('a chat template is one of the known names or a template', () => {
    for (const chat_template of ['auto', 'chatml', '{{ messages[0].content }}'])
      assert.equal(checkMergeConfig({ ...linear, chat_template }, 'm.yaml').chat_template, chat_template)
    refused({ ...linear, chat_template: 'chatlm' }, 'chat_template', /or a template in Jinja/, /'chatml'/)
  })

  test('sizes of shards are bytes, or text with a unit', () => {
    const sizes = { 1000: 1000, '1k': 1000, '2.5 MB': 2.5e6, '5GB': 5e9, '7B': 7 }
    for (const [given, bytes] of Object.entries(sizes)) assert.equal(bytesOf(given), bytes, given)
    refused({ ...linear, shard_size: 'big' }, 'shard_size', /5GB/)
  })
})

describe('a parameter of merge', () => {
  const at = (t, tensor = 'model.layers.3.mlp.up_proj.weight') => ({ t, tensor })

  test('is one number, or runs through a list of them from the first layer to the last', () => {
    assert.equal(valueAt(0.3, at(0.5)), 0.3)
    assert.equal(valueAt(true, at(0.5)), 1)
    assert.equal(valueAt([2], at(1)), 2)
    const layers = 5
    const expected = [0, 0.5, 1, 0.75, 0.5]
    const values = expected.map((_, layer) => valueAt([0, 1, 0.5], at(depthOf(layer, layers))))
    assert.deepEqual(values, expected)
  })

  test('a layer alone has the depth of a last one', () => {
    assert.equal(depthOf(0, 1), 1)
    assert.equal(valueAt([0, 1], at(depthOf(0, 1))), 1)
  })

  test('of filters the first that is part of the name counts, with its own gradient', () => {
    const value = [
      { filter: 'self_attn', value: 1 },
      { filter: 'mlp', value: [0, 4] },
      { filter: 'up_proj', value: 7 },
      { filter: '*', value: 2 },
    ]
    assert.equal(valueAt(value, at(0.5)), 2)
    assert.equal(valueAt(value, at(0.25)), 1)
    assert.equal(valueAt(value, at(0, 'model.norm.weight')), 2)
    assert.equal(valueAt(value.slice(0, 3), at(0, 'model.norm.weight')), undefined)
  })

  test('the nearest table that says something of the tensor says it', () => {
    const tables = [
      { weight: [{ filter: 'mlp', value: 1 }] },
      undefined,
      { weight: 2, density: 3 },
      { weight: 9 },
    ]
    assert.equal(lookUp(tables, 'weight', at(0)), 1)
    assert.equal(lookUp(tables, 'weight', at(0, 'lm_head.weight')), 2)
    assert.equal(lookUp(tables, 'density', at(0)), 3)
    assert.equal(lookUp(tables, 'gamma', at(0)), undefined)
  })
})
