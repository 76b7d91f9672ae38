// What stages that take parts out foretell, from sizes alone, and what they refuse.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { headsSchema } from '#lib/config/compress/heads'
import { layersSchema } from '#lib/config/compress/layers'
import { rowsSchema } from '#lib/config/compress/rows'
import { countParameters } from '#lib/counting/parameters'
import { heads } from '#lib/verbs/compressing/heads'
import { layers } from '#lib/verbs/compressing/layers'
import { ranges } from '#lib/verbs/compressing/removal'
import { rows } from '#lib/verbs/compressing/rows'
import { tinyConfig } from '../../helpers/tiny_model.mjs'

const SCHEMAS = { heads: headsSchema, rows: rowsSchema, layers: layersSchema }
const STAGES = { heads, rows, layers }

const shapeOf = (changes = {}) => ({
  spec: decoderSpec({ ...tinyConfig({ width: 64, layers: 3 }), num_attention_heads: 8, ...changes }),
  zeros: 0,
})
const config = (method, keys) => SCHEMAS[method].parse({ method, ...keys })
const predict = (method, keys, shape) => STAGES[method].predict(shape, config(method, keys))
const sizes = ({ spec }) =>
  spec.layers.map(({ num_heads, num_kv_heads, intermediate_size }) => [
    num_heads,
    num_kv_heads,
    intermediate_size,
  ])
const refused = (method, keys, shape, key, message) =>
  assert.throws(() => predict(method, keys, shape), { code: 'ERR_CONFIG', message, details: { key } })

const plain = shapeOf({ num_key_value_heads: 8 })
const grouped = shapeOf({ num_key_value_heads: 4, attention_bias: true })

describe('heads', () => {
  test('a group takes its key head along; one query head of each leaves the key heads', () => {
    assert.deepEqual(sizes(predict('heads', { keep: 6 }, grouped)), Array(3).fill([6, 3, 256]))
    assert.deepEqual(sizes(predict('heads', { keep: 4, unit: 'query' }, grouped)), Array(3).fill([4, 4, 256]))
    assert.deepEqual(sizes(predict('heads', { remove: 0.5 }, plain)), Array(3).fill([4, 4, 256]))
  })

  test('of all layers together the sum is certain, and so is the number of parameters', () => {
    const after = predict('heads', { remove: 6, scope: 'global' }, grouped)
    assert.deepEqual(after.open, ['heads'])
    assert.equal(after.unknown, undefined)
    const one = countParameters(grouped.spec) - countParameters(predict('heads', { remove: 2 }, grouped).spec)
    assert.equal(countParameters(grouped.spec) - countParameters(after.spec), one)
    assert.equal(predict('heads', { remove: 6, scope: 'global', uniform: true }, grouped).open, undefined)
    // What the next stage takes depends on what the layers have.
    assert.equal(predict('heads', { keep: 4 }, after).unknown, 'how many heads each layer had')
    assert.equal(predict('rows', { keep: 128 }, after).unknown, undefined)
    assert.equal(predict('layers', { drop: 1 }, after).unknown, 'which of the layers leave')
    assert.deepEqual(predict('rows', { remove: 3, scope: 'global' }, after).open, ['heads', 'rows'])
  })

  test('what cannot be is refused with its key', () => {
    refused(
      'heads',
      { keep: 12 },
      plain,
      'keep',
      'expected at most 8 heads, as many as a layer has, received 12',
    )
    refused(
      'heads',
      { keep: 3 },
      grouped,
      'keep',
      'expected a multiple of 2, as so many heads go together, received 3',
    )
    refused(
      'heads',
      { keep: 4, unit: 'query' },
      plain,
      'unit',
      'expected group, as every query head has a key head of its own here, received query',
    )
  })

  test('named heads leave their layers, and the key heads that serve none of those that stay', () => {
    const heads = { 0: [2, 3], 1: [0, 3, 5, 6], 2: [7, 6, 0, 1, 3, 4] }
    assert.deepEqual(sizes(predict('heads', { heads }, grouped)), [
      [6, 3, 256],
      [4, 4, 256],
      [2, 2, 256],
    ])
    assert.deepEqual(sizes(predict('heads', { heads: { 1: [0] } }, plain)), [
      [8, 8, 256],
      [7, 7, 256],
      [8, 8, 256],
    ])
    const open = predict('heads', { remove: 6, scope: 'global' }, grouped)
    const after = predict('heads', { heads: { 2: [0, 1] } }, open)
    assert.equal(after.unknown, 'which heads each layer had')
  })

  test('named heads that cannot leave are refused with their layer', () => {
    const named = (heads, shape, ...expected) => refused('heads', { heads }, shape, ...expected)
    named({ 3: [0] }, plain, 'heads', 'expected layers from 0 to 2, received 3')
    named({ 1: [8] }, plain, 'heads.1', 'expected numbers from 0 to 7, received 8')
    const all = [0, 1, 2, 3, 4, 5, 6, 7]
    named({ 2: all }, plain, 'heads.2', 'expected at least one of 8 heads to stay, received all of them')
    assert.throws(() => predict('heads', { heads: { 0: [1, 2, 3] } }, grouped), {
      code: 'ERR_CONFIG',
      message:
        'expected heads that leave every key head equally many, received 1, 2, 3, which leave them 1, 2, 2',
      hint: 'A key head serves 2 query heads in a row: name all of one, 0 to 1 say, or equally many of each.',
      details: { key: 'heads.0' },
    })
    assert.throws(() => heads.divide(plain, config('heads', { heads: { 0: [1] } }), 2), {
      message: 'expected 1 where heads are named, received 2',
      details: { key: 'steps' },
    })
  })

  test('zeros that were there leave in numbers that nobody knows', () => {
    const sparse = { ...plain, zeros: 100 }
    assert.equal(
      predict('heads', { keep: 4 }, sparse).unknown,
      'how many zeros have left with what was removed',
    )
    assert.deepEqual(predict('heads', { keep: 8 }, sparse), sparse)
  })
})

describe('rows', () => {
  test('rows of every layer, rounded up to a multiple', () => {
    assert.deepEqual(sizes(predict('rows', { keep: 100 }, grouped)), Array(3).fill([8, 4, 100]))
    assert.deepEqual(
      sizes(predict('rows', { remove: 0.7, multiple_of: 32 }, grouped)),
      Array(3).fill([8, 4, 96]),
    )
  })

  test("the paper's twenty steps", () => {
    const steps = rows.divide(grouped, config('rows', { keep: 56 }), 20)
    assert.deepEqual(
      steps.map(({ keep }) => keep),
      Array.from({ length: 20 }, (_, i) => 256 - 10 * (i + 1)),
    )
    const end = steps.reduce((shape, step) => rows.predict(shape, step), grouped)
    assert.deepEqual(end, predict('rows', { keep: 56 }, grouped))
  })
})

describe('layers', () => {
  test('keep, drop and a list leave as many', () => {
    for (const keys of [{ keep: 2 }, { drop: 1 }, { drop: 0.4 }, { layers: [1] }]) {
      const after = predict('layers', keys, grouped)
      assert.equal(after.spec.layers.length, 2)
      assert.equal(after.unknown, undefined)
    }
    assert.deepEqual(predict('layers', { drop: 0 }, grouped), grouped)
  })

  test('of layers that differ, named ones are certain and others are not', () => {
    const mixed = structuredClone(plain)
    mixed.spec.layers[1].intermediate_size = 7
    assert.deepEqual(sizes(predict('layers', { layers: [0, 2] }, mixed)), [[8, 8, 7]])
    assert.equal(predict('layers', { layers: [0] }, mixed).unknown, undefined)
    assert.equal(predict('layers', { drop: 1 }, mixed).unknown, 'which of the layers leave')
  })

  test('what cannot be is refused with its key', () => {
    refused('layers', { keep: 4 }, plain, 'keep', 'expected at most the 3 layers that there are, received 4')
    refused(
      'layers',
      { drop: 3 },
      plain,
      'drop',
      'expected fewer than the 3 layers that there are, received 3',
    )
    refused('layers', { layers: [3] }, plain, 'layers', 'expected numbers from 0 to 2, received 3')
    refused(
      'layers',
      { layers: [0, 1, 2] },
      plain,
      'layers',
      'expected at least one of the 3 layers to stay, received all of them',
    )
    assert.throws(() => layers.divide(plain, config('layers', { layers: [0, 1] }), 2), {
      message: 'expected 1 where layers are named, received 2',
    })
  })

  test('in steps, as many in each', () => {
    const steps = layers.divide(plain, config('layers', { drop: 2 }), 2)
    assert.deepEqual(
      steps.map(({ keep, drop }) => [keep, drop]),
      [
        [2, undefined],
        [1, undefined],
      ],
    )
  })
})

test('data are looked at where the scores need them', () => {
  const calibrates = (method, keys) => STAGES[method].calibrates(config(method, keys))
  assert.ok(calibrates('heads', { keep: 4, criterion: 'data' }) && calibrates('rows', { keep: 4 }))
  assert.ok(!calibrates('heads', { heads: { 0: [1] }, criterion: 'data' }))
  assert.ok(!calibrates('heads', { keep: 4, criterion: 'l1' }) && !calibrates('layers', { layers: [1] }))
})

test('schemas take one amount, and scope for what is removed alone', () => {
  const complaint = (method, keys) => SCHEMAS[method].safeParse({ method, ...keys }).error.issues[0].message
  const amounts = {
    heads: 'expected exactly one of keep, remove and heads',
    rows: 'expected exactly one of keep and remove',
  }
  for (const method of ['heads', 'rows']) {
    for (const keys of [{}, { keep: 4, remove: 2 }]) assert.equal(complaint(method, keys), amounts[method])
    assert.equal(
      complaint(method, { keep: 4, scope: 'global' }),
      'expected layer with keep, which is of each layer',
    )
    assert.equal(complaint(method, { remove: 1.5 }), 'expected a share below 1, or a whole number')
  }
  for (const keys of [{}, { keep: 1, drop: 1 }, { drop: 1, layers: [0] }])
    assert.equal(complaint('layers', keys), 'expected exactly one of keep, drop and layers')
  assert.equal(complaint('layers', { layers: [1, 1] }), 'expected each number once')
  const named = (heads, keys) => complaint('heads', { heads, ...keys })
  assert.equal(named({ 0: [1] }, { keep: 2 }), 'expected exactly one of keep, remove and heads')
  assert.equal(named({ 0: [1] }, { uniform: true }), 'expected false where heads are named')
  assert.equal(named({ 0: [1, 1] }), 'expected each number once')
  assert.equal(named({ 0: [] }), 'expected at least one number')
  assert.equal(named({ 0: [-1] }), 'expected a whole number from 0')
  for (const heads of [{}, { first: [1] }, { '00': [1] }, { '-1': [1] }])
    assert.equal(named(heads), 'expected numbers of layers from 0, and the heads that leave each')
})

test('numbers in short', () => {
  assert.equal(ranges([]), '')
  assert.equal(ranges([0, 1, 2, 5, 7, 8]), '0-2,5,7-8')
})
