// The recipes of speech run with the overrides that they name, on a language of tones and a model of its size.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, landscape } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { toneModel, writeTinySound } from '../helpers/tiny_sound.mjs'

const root = temporaryFolder()
const { train: data, heldOut, targets } = writeTinySound(join(root, 'sound'), { count: 12 })
const recipe = (name) => join(clone, 'recipes', `${name}.yaml`)
const place = (name) => join(root, name)
const common = [`sound.targets=${targets}`, 'threads=1']
const few = [`data.0.path=${data}`, 'steps=3', 'sequence_length=30']

describe('recipes of speech', () => {
  before(async () => {
    const sizes = Object.entries(toneModel({ num_hidden_layers: 2, num_attention_heads: 4 }))
      .filter(([key]) => key !== 'architectures')
      .map(([key, value]) => `init.${key}=${value}`)
    const overrides = [...common, ...few, ...sizes, `out=${place('base')}`]
    const { report } = await train(recipe('melhubert_20ms'), { overrides }).result
    assert.equal(report.steps, 3)
  })

  test('prune_melhubert prunes by the 38 targets of the paper, in small', async () => {
    const overrides = [
      ...[...common, ...few, `model=${place('base')}`, `out=${place('pruned')}`],
      ...['pruning={ schedule: paper, every: 2, gate: off }', 'steps=8'],
    ]
    const { report } = await train(recipe('prune_melhubert'), { overrides }).result
    assert.ok(report.masks.sparsity > 0.2, JSON.stringify(report.masks))
  })

  test('distil_melhubert makes a student of the first layers', async () => {
    const overrides = [
      ...common,
      ...few,
      `teacher=${place('base')}`,
      `out=${place('small')}`,
      'student.first=1',
    ]
    const { report } = await train(recipe('distil_melhubert'), { overrides }).result
    assert.deepEqual(report.plan.student.layers, [0])
    assert.ok(report.divergence < report.nll)
  })

  test('compress_melhubert takes heads and rows in steps', async () => {
    const overrides = [
      ...[...common, `model=${place('base')}`, `out=${place('compressed')}`],
      ...['calibration', 'recovery'].map((key) => `${key}.data.0.path=${data}`),
      `evaluate.data.0.path=${heldOut}`,
      ...[
        'recovery.steps=2',
        'stages.0.steps=2',
        'stages.0.remove=2',
        'stages.1.steps=2',
        'stages.1.keep=16',
      ],
    ]
    const { report } = await compress(recipe('compress_melhubert'), { overrides }).result
    const { layers } = report.stages.at(-1)
    assert.equal(
      layers.reduce((sum, { num_heads }) => sum + num_heads, 0),
      6,
    )
    assert.ok(layers.every(({ intermediate_size }) => intermediate_size === 16))
  })

  test('landscape_melhubert makes and probes every point, the first ones of each technique here', async () => {
    const overrides = [
      ...[...common, `model=${place('base')}`, `out=${place('landscape')}`, 'keep_models=false'],
      ...['calibration', 'recovery'].map((key) => `${key}.data.0.path=${data}`),
      ...[`evaluate.data.0.path=${heldOut}`, `probe.train.0.path=${data}`, `probe.test.0.path=${heldOut}`],
      ...['recovery.steps=1', 'recovery.schedule.warmup=0', 'recovery.sequence_length=30'],
      ...['measure={ seconds: 1, repeats: 1, warmup: 0 }', 'calibration.samples=4'],
      ...[0, 1, 2, 3].map((i) => `techniques.${i}.rates=[0.5]`),
      ...['techniques.0.stages.0.steps=1', 'techniques.1.stages.0.steps=1', 'techniques.2.stages.0.steps=1'],
      ...[0, 1, 2].map((i) => `probe.probes.${i}.label=speaker`), // tones are no digits
    ]
    const { points, failed, probe_fronts } = await landscape(recipe('landscape_melhubert'), { overrides })
      .result
    assert.deepEqual(failed, [])
    assert.equal(points.length, 7)
    assert.ok(points.every(({ probes }) => probes.length === 3))
    assert.deepEqual(Object.keys(probe_fronts), ['digit', 'digit-last', 'speaker'])
  })
})
