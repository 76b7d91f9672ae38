// Heads, rows and layers as stages of a pipeline: foretold, done, saved, loaded.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, inspect, loadModel } from 'tongueforge'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { temporaryFolder } from '../helpers/folders.mjs'
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
  const figures = ({ stages }) => stages.map(({ parameters, bytes }) => [parameters, bytes])

  for (const [name, stages, sizes] of [
    ['heads by l1', [{ method: 'heads', criterion: 'l1', keep: 3 }], { num_attention_heads: 3 }],
    ['heads by data', [{ method: 'heads', criterion: 'data', remove: 0.5 }], { num_attention_heads: 2 }],
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

  test('uniform: true makes every layer lose as much', async () => {
    const { model } = await compress(
      configOf([{ method: 'heads', remove: 6, scope: 'global' }], { uniform: true }),
    ).result
    assert.deepEqual([configFile(model).model_type, configFile(model).num_attention_heads], ['llama', 2])
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
