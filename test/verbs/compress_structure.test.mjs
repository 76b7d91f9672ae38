// Heads, rows and layers as stages of a pipeline: foretold, done, saved, loaded.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, inspect, loadModel } from 'tongueforge'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { temporaryFolder } from '../helpers/folders.mjs'
import { withSilentHeads } from '../helpers/pruned_models.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'

describe('compress, parts that leave', () => {
  const root = temporaryFolder()
  let given
  let made = 0
  before(async () => {
    given = await tinyCompression(join(root, 'inputs'), { layers: 4 })
  })

  const configOf = (stages, changes = {}) => ({
    ...given,
    recovery: undefined,
    stages,
    out: join(root, `run-${made++}`),
    ...changes,
  })
  const configFile = (model) => JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'))
  const logitsOf = async (folder) => {
    const model = await loadModel(folder, { threads: 1 })
    const { data } = await model.logits([[1, 2, 3, 5, 8, 13]])
    await model.dispose()
    return data
  }
  const farthest = (a, b) => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0)
  const figures = ({ stages }) => stages.map(({ parameters, bytes }) => [parameters, bytes])

  for (const [name, stages, sizes] of [
    ['heads by l1', [{ method: 'heads', criterion: 'l1', keep: 3 }], { num_attention_heads: 3 }],
    ['heads by data', [{ method: 'heads', criterion: 'data', remove: 0.5 }], { num_attention_heads: 2 }],
    [
      'heads by number',
      [{ method: 'heads', heads: { 0: [1], 1: [3], 2: [0], 3: [2] } }],
      { num_attention_heads: 3 },
    ],
    ['rows', [{ method: 'rows', remove: 0.3, multiple_of: 8 }], { intermediate_size: 96 }],
    ['layers by influence', [{ method: 'layers', drop: 2 }], { num_hidden_layers: 2 }],
    ['layers by angle', [{ method: 'layers', criterion: 'angle', keep: 1 }], { num_hidden_layers: 1 }],
    ['layers by number', [{ method: 'layers', layers: [0, 2] }], { num_hidden_layers: 2 }],
    [
      'all of them, in steps',
      [
        { method: 'heads', keep: 2, steps: 2 },
        { method: 'rows', criterion: 'activation', keep: 64, steps: 3 },
        { method: 'layers', drop: 2, steps: 2 },
      ],
      { num_attention_heads: 2, num_key_value_heads: 2, intermediate_size: 64, num_hidden_layers: 2 },
    ],
  ]) {
    test(`${name}: what is left is as foretold, and loads`, async () => {
      const config = configOf(stages)
      const foretold = await compress(config, { dryRun: true }).result
      const { model, report } = await compress(config).result
      assert.deepEqual(figures(foretold.report), figures(report))
      const { parameters } = await inspect(model)
      assert.deepEqual(parameters, report.stages.at(-1).parameters)
      const { model_type, head_dim = 8, ...found } = configFile(model)
      assert.deepEqual({ ...found, ...sizes }, found)
      assert.deepEqual([model_type, head_dim], ['llama', 8])
      const divided = found.hidden_size % found.num_attention_heads === 0
      assert.equal(report.loads_in, divided ? 'transformers' : 'tongueforge')
      const loaded = await loadModel(model, { threads: 1 })
      const { data } = await loaded.logits([[1, 2, 3]])
      assert.ok(data.every(Number.isFinite))
      await loaded.dispose()
    })
  }

  test('a calibration batch that predicts nothing is passed over, and one that is all of them is refused', async () => {
    const { model: folder } = given
    const spec = decoderSpec(configFile(folder))
    const batch = (ids, segments) => ({
      ids: Int32Array.from(ids),
      labels: Int32Array.from(ids, (id, i) => (i > 0 && segments[i] === segments[i - 1] ? id : -100)),
      segments: Int32Array.from(segments),
      rows: 1,
    })
    const told = batch([3, 4, 5, 6], [0, 0, 0, 0])
    const silent = batch([3, 4, 5, 6], [0, 1, 2, 3])
    const scores = async (batches) => {
      const model = await runJob('loadModel', { folder, spec, dtype: 'float32', threads: 1 })
      const heads = { criterion: 'taylor', unit: 'group', keep: spec.layers.map(() => 2) }
      try {
        return await runJob('pruneHeads', { model, batches, loss: 'language', threads: 1, ...heads })
      } finally {
        native().dispose(model)
      }
    }
    assert.deepEqual(await scores([silent, told]), await scores([told]))
    await assert.rejects(scores([silent, silent]), (error) => {
      assert.equal(error.code, 'ERR_CALIBRATION')
      assert.match(error.message, /Expected tokens to predict in the calibration rows, received none/)
      assert.match(error.hint, /name longer ones/)
      return true
    })
  })

  test('of all layers together: sums are foretold, layers come out as they do', async () => {
    const stages = [
      { method: 'heads', criterion: 'taylor', remove: 5, scope: 'global' },
      { method: 'rows', criterion: 'l1', remove: 100, scope: 'global' },
    ]
    const config = configOf(stages)
    const foretold = await compress(config, { dryRun: true }).result
    const { model, report } = await compress(config).result
    assert.deepEqual(figures(foretold.report), figures(report))
    const { layers, model_type } = configFile(model)
    const sum = (key) => layers.reduce((total, layer) => total + layer[key], 0)
    assert.deepEqual([sum('num_attention_heads'), sum('intermediate_size')], [4 * 4 - 5, 4 * 128 - 100])
    assert.equal(model_type, 'tongueforge_llama')
    const [, heads, rows] = report.stages.map(({ figures }) => figures)
    for (const [i, { kept, scores }] of heads.layers.entries()) {
      assert.equal(kept.length, layers[i].num_attention_heads)
      const best = scores.toSorted((a, b) => b - a).slice(0, kept.length)
      assert.deepEqual(
        kept.map((head) => scores[head]).sort((a, b) => b - a),
        best,
      )
    }
    for (const [i, { rows: count, least_kept_score, most_removed_score }] of rows.layers.entries()) {
      assert.equal(count, layers[i].intermediate_size)
      assert.ok(most_removed_score === null || most_removed_score <= least_kept_score)
    }
  })

  test('without the heads that are named it answers as if they said nothing, layers that differ included', async () => {
    const heads = { 0: [1, 3], 2: [0] }
    const { model, report } = await compress(configOf([{ method: 'heads', heads }])).result
    const silent = withSilentHeads(given.model, join(root, 'silent'), heads, 8)
    const answers = await Promise.all([model, silent].map(logitsOf))
    assert.ok(farthest(...answers) < 1e-5)
    assert.ok(farthest(answers[0], await logitsOf(given.model)) > 1e-3)
    assert.deepEqual(
      configFile(model).layers.map(({ num_attention_heads }) => num_attention_heads),
      [2, 4, 3, 4],
    )
    assert.deepEqual(report.stages[1].figures.layers[0], { kept: [0, 2], kept_key_heads: [0, 2] })
  })

  test('heads carry their first numbers through steps, trainings and layers that leave', async () => {
    const recover = { ...given.recovery, steps: 2 }
    const stages = [
      { method: 'heads', criterion: 'l1', remove: 4, scope: 'global', steps: 2, recover },
      { method: 'layers', layers: [1] },
      { method: 'heads', heads: { 1: [0] } },
      { method: 'rows', criterion: 'l1', keep: 64 },
    ]
    const { report } = await compress(configOf(stages)).result
    const { stages: records, removed_heads: gone } = report
    const of = (name) => gone.filter(({ stage }) => stage === name)
    assert.deepEqual(
      ['01-heads', '02-recover', '03-heads', '04-recover', '05-layers', '06-heads', '07-rows'].map(
        (name) => of(name).length,
      ),
      [2, 0, 2, 0, records[4].layers[1].num_heads, 1, 0],
    )
    // Followed by hand: the weights of a head that has left are nowhere in the model that is left.
    const left = [0, 1, 2, 3].map((layer) =>
      [0, 1, 2, 3].filter((head) => !gone.some((one) => one.layer === layer && one.head === head)),
    )
    assert.deepEqual(left[1], [])
    assert.deepEqual(
      left.filter((_, layer) => layer !== 1).map(({ length }) => length),
      records.at(-1).layers.map(({ num_heads }) => num_heads),
    )
    const [first, second] = [records[1], records[3]].map(({ figures }) => figures.layers)
    for (const { step, layer, head } of gone.filter(({ step }) => step <= 3)) {
      if (step === 1) assert.ok(!first[layer].kept.includes(head))
      else assert.ok(!second[layer].kept.includes(first[layer].kept.indexOf(head)))
    }
    const [named] = of('06-heads') // of what was left of layer 2, the first
    const before = [0, 1, 2, 3].filter(
      (head) => !gone.some((one) => one.step < 6 && one.layer === 2 && one.head === head),
    )
    assert.deepEqual(named, { step: 6, stage: '06-heads', layer: 2, head: before[0] })
    assert.equal((await compress(configOf([stages[3]])).result).report.removed_heads, undefined)
  })

  test('uniform: true makes every layer lose as much', async () => {
    const { model } = await compress(
      configOf([{ method: 'heads', remove: 6, scope: 'global' }], { uniform: true }),
    ).result
    assert.deepEqual([configFile(model).model_type, configFile(model).num_attention_heads], ['llama', 2])
  })

  test('uniform: true takes heads by name that leave layers alike, and no others', async () => {
    const named = (...heads) =>
      compress(configOf([{ method: 'heads', heads: { ...heads } }], { uniform: true }), { dryRun: true })
        .result
    assert.ok(await named([0, 1], [0, 1], [0, 1], [0, 1]))
    await assert.rejects(named([0, 1], [0, 1], [0, 1], [0]), {
      code: 'ERR_CONFIG',
      message: /^config: stages\.0\.method: /,
    })
  })

  test('what the Llama of transformers would refuse is refused where it is to load there', async () => {
    const stages = [{ method: 'heads', keep: 3 }]
    await assert.rejects(compress(configOf(stages, { uniform: true })).result, {
      code: 'ERR_CONFIG',
      message:
        'config: stages.0.method: expected a model that transformers loads, as uniform: true asks, received heads that leaves 3 heads a layer, which do not divide a hidden_size of 32',
      hint: 'Choose by layer, so that each loses as much, and another number of heads; or leave uniform out.',
    })
    const global = [{ method: 'rows', remove: 5, scope: 'global' }]
    await compress(configOf(global, { uniform: true }), { dryRun: true }).result
  })

  test('more than there is, is refused with the place in the config', async () => {
    await assert.rejects(compress(configOf([{ method: 'heads', keep: 9 }])).result, {
      code: 'ERR_CONFIG',
      message: 'config: stages.0.keep: expected at most 4 heads, as many as a layer has, received 9',
    })
    await assert.rejects(
      compress(
        configOf([
          { method: 'layers', drop: 3 },
          { method: 'layers', drop: 1 },
        ]),
      ).result,
      {
        message: 'config: stages.1.drop: expected fewer than the 1 layers that there are, received 1',
      },
    )
    await assert.rejects(
      compress(configOf([{ method: 'rows', keep: 9 }], { calibration: undefined })).result,
      {
        message: 'config: calibration: expected { data }, as stages.0 looks at text, received nothing',
      },
    )
  })
})
