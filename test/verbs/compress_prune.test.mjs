// Pruning as a stage of compress: what is foretold is what is left, whatever the rule.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress } from 'tongueforge'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { pruneSchema } from '#lib/config/compress/prune'
import { native, runJob } from '#lib/native'
import { prune } from '#lib/verbs/compressing/prune'
import { shareOf } from '#lib/verbs/training/prune_schedule'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'
import { INIT, tinyConfig } from '../helpers/tiny_model.mjs'

const stageOf = (keys) => pruneSchema.parse({ method: 'prune', ...keys })
const configProblem = (keys) => {
  const { success, error } = pruneSchema.safeParse({ method: 'prune', ...keys })
  return success ? undefined : `${error.issues[0].path.join('.')}: ${error.issues[0].message}`
}

/** Rows of two documents and padding, as calibration takes them. */
function calibrationRows({ rows = 4, length = 24, seed = 1 } = {}) {
  const places = rows * length
  const ids = Int32Array.from({ length: places }, (_, i) => 3 + ((i * i + 7 * seed + 3 * i) % 40))
  const segments = Int32Array.from({ length: places }, (_, i) => {
    const place = i % length
    return place < 9 ? 0 : place < 20 ? 1 : -1
  })
  return [{ ids, labels: new Int32Array(places).fill(-100), segments, rows }]
}

const STAGES = [
  { sparsity: 0.5 },
  { sparsity: 0.337, scope: 'layer' },
  { sparsity: 0.337, scope: 'row' },
  { sparsity: 0.337, criterion: 'wanda' },
  { sparsity: 0.337, criterion: 'sparsegpt' },
  { sparsity: 0.337, criterion: 'sparsegpt', block: 24 },
  { pattern: '2:4' },
  { pattern: '1:8', criterion: 'wanda' },
  { pattern: '3:4', criterion: 'sparsegpt' },
  { sparsity: 0.9, include: ['down_proj', 'layers.1.*'], exclude: ['o_proj'], criterion: 'wanda' },
]

async function randomModel(spec, seed = 1) {
  return runJob('initialiseModel', { spec, init: { ...INIT, seed }, threads: 1 })
}

/** Of the weights of the linear layers in the blocks. */
async function zerosIn(model, folder) {
  await runJob('saveModel', { model, folder, dtype: 'float32', max_shard_bytes: 1e9 })
  const arrays = readArrays(join(folder, 'model.safetensors'))
  return Object.entries(arrays)
    .filter(([name]) => /_proj(\.in|\.out)?\.weight$/.test(name))
    .reduce((sum, [, { data }]) => sum + data.filter((value) => value === 0).length, 0)
}

describe('prune', () => {
  const root = temporaryFolder()
  const spec = decoderSpec(tinyConfig())
  let folders = 0

  for (const ranks of [{}, { 'mlp.up_proj': 8, 'self_attn.k_proj': 16 }]) {
    const which = Object.keys(ranks).length > 0 ? 'factored' : 'dense'
    for (const keys of STAGES) {
      test(`of a ${which} model: what is foretold of ${JSON.stringify(keys)} is what is left`, async () => {
        const sized = {
          ...spec,
          layers: spec.layers.map((layer, i) => (i === 0 ? layer : { ...layer, ranks })),
        }
        const model = await randomModel(sized)
        const folder = join(root, `zeros-${folders++}`)
        await mkdir(folder)
        const config = stageOf(keys)
        const context = { model, spec: sized, calibration: calibrationRows(), seed: 1, threads: 1 }
        const before = { spec: sized, zeros: 0 }
        const after = prune.predict(before, config)
        const figures = await prune.run(config, context)
        assert.equal(after.zeros, figures.zeros)
        assert.equal(after.unknown, undefined)
        assert.equal(await zerosIn(model, folder), after.zeros)
        assert.ok(after.zeros > 0)
        assert.equal(prune.calibrates(config), config.criterion !== 'magnitude')
        for (const tensor of figures.tensors)
          assert.equal('error' in tensor, prune.calibrates(config), tensor.name)
        native().dispose(model)
      })
    }
  }

  test('a second pruning of the whole pool is foretold from the zeros before it; of others the doubt is said', () => {
    const whole = stageOf({ sparsity: 0.5 })
    const half = prune.predict({ spec, zeros: 0 }, whole)
    assert.equal(prune.predict(half, stageOf({ sparsity: 0.25 })).zeros, half.zeros)
    const more = prune.predict(half, stageOf({ sparsity: 0.75 }))
    assert.equal(more.zeros, 1.5 * half.zeros)
    assert.equal(more.unknown, undefined)
    const rows = prune.predict(half, stageOf({ sparsity: 0.75, criterion: 'wanda' }))
    assert.equal(rows.unknown, 'which of the zeros were there before')
    const biases = prune.predict({ spec, zeros: 0 }, stageOf({ sparsity: 0.5, biases: true }))
    assert.equal(biases.unknown, 'how many of the zeros are in biases')
    assert.deepEqual(prune.predict(half, stageOf({ sparsity: 0 })), half)
  })

  test('steps are fast at first and end where they should; a pattern has none', () => {
    const steps = prune.divide({ spec, zeros: 0 }, stageOf({ sparsity: 0.8 }), 4)
    assert.deepEqual(
      steps.map(({ sparsity }) => Number(sparsity.toFixed(4))),
      [0.4625, 0.7, 0.7875, 0.8],
    )
    assert.throws(() => prune.divide({ spec, zeros: 0 }, stageOf({ pattern: '2:4' }), 2), {
      code: 'ERR_CONFIG',
      message: 'expected 1 with a pattern, received more',
      hint: 'A sparsity can be reached in steps.',
    })
  })

  test('keys that say nothing, or something else, beside others are refused', () => {
    const problems = [
      [{}, 'sparsity: expected a share, or a pattern such as 2:4'],
      [{ sparsity: 1 }, 'sparsity: expected a number from 0 to below 1'],
      [{ pattern: '4:4' }, 'pattern: expected unstructured, or N:M with 0 < N < M <= 64, such as 2:4'],
      [{ pattern: 124 }, 'pattern: expected unstructured, or N:M in quotes'],
      [
        { pattern: '1:4', sparsity: 0.25 },
        'sparsity: expected 0.75, or nothing, with pattern 1:4, which keeps 1 of 4',
      ],
      [{ pattern: '1:4', sparsity: 0.75 }, undefined],
      [
        { pattern: '2:4', scope: 'layer' },
        'scope: expected none with a pattern, which compares within its groups',
      ],
      [
        { sparsity: 0.5, criterion: 'wanda', scope: 'global' },
        'scope: expected row, or none: wanda compares within rows',
      ],
      [{ sparsity: 0.5, criterion: 'wanda', scope: 'row' }, undefined],
      [
        { sparsity: 0.5, criterion: 'sparsegpt', scope: 'row' },
        'scope: expected none: sparsegpt compares within blocks of columns',
      ],
      [
        { sparsity: 0.5, criterion: 'wanda', biases: true },
        'biases: expected false: only magnitude prunes biases',
      ],
      [{ pattern: '2:4', biases: true }, 'biases: expected false with a pattern: a bias has no inputs'],
      [
        { sparsity: 0.5, scope: 'row', biases: true },
        'biases: expected false with scope row: a bias has no rows',
      ],
      [{ sparsity: 0.5, damping: 0.1 }, 'damping: expected criterion sparsegpt beside it'],
      [{ sparsity: 0.5, block: 64 }, 'block: expected criterion sparsegpt beside it'],
      [
        { pattern: '1:3', criterion: 'sparsegpt' },
        'block: expected a multiple of 3 with pattern 1:3, received 128',
      ],
    ]
    for (const [keys, problem] of problems) assert.equal(configProblem(keys), problem, JSON.stringify(keys))
  })

  test('layers that fit no pattern, and inputs that are no whole groups, are refused before any work', () => {
    const predicted = (keys) => () => prune.predict({ spec, zeros: 0 }, stageOf({ sparsity: 0.5, ...keys }))
    assert.throws(predicted({ include: ['q_prj'] }), {
      code: 'ERR_CONFIG',
      message: "include.0: 'q_prj' matches nothing in the model",
      hint: 'The nearest names: q_proj, k_proj, v_proj',
    })
    assert.throws(predicted({ exclude: ['*'] }), {
      code: 'ERR_CONFIG',
      message: 'expected that some layer is left, but every one that is included is excluded',
    })
    assert.throws(predicted({ sparsity: undefined, pattern: '1:3' }), {
      code: 'ERR_CONFIG',
      message:
        'expected the inputs of layers.0.self_attn.q_proj to be groups of 3 for 1:3, received 32 inputs',
      hint: 'Exclude this layer, or take an M that divides its inputs.',
    })
  })

  test('the same work gives the same bytes, whatever the threads, where only single weights are compared', async () => {
    const bytes = async (keys, threads) => {
      const model = await randomModel(spec)
      const folder = join(root, `bytes-${folders++}`)
      await mkdir(folder)
      await prune.run(stageOf(keys), { model, spec, calibration: calibrationRows(), seed: 1, threads })
      await runJob('saveModel', { model, folder, dtype: 'float32', max_shard_bytes: 1e9 })
      native().dispose(model)
      return readFile(join(folder, 'model.safetensors'))
    }
    for (const keys of [{ sparsity: 0.5 }, { sparsity: 0.5, scope: 'row' }])
      assert.ok((await bytes(keys, 1)).equals(await bytes(keys, 2)))
    for (const criterion of ['wanda', 'sparsegpt'])
      assert.ok(
        (await bytes({ sparsity: 0.5, criterion }, 1)).equals(await bytes({ sparsity: 0.5, criterion }, 1)),
      )
  })

  test('a cancelled pruning rejects with the reason, and one without rows says what it needs', async () => {
    const model = await randomModel(spec)
    const work = (context) =>
      prune.run(stageOf({ sparsity: 0.5, criterion: 'sparsegpt' }), {
        model,
        spec,
        calibration: calibrationRows({ rows: 64 }),
        seed: 1,
        threads: 1,
        ...context,
      })
    const controller = new AbortController()
    const reason = new Error('enough')
    const running = work({ signal: controller.signal, onProgress: () => controller.abort(reason) })
    await assert.rejects(running, (error) => error === reason)
    await assert.rejects(work({ calibration: [] }), {
      code: 'ERR_CALIBRATION',
      message: 'Expected calibration rows with text in them, received none',
      hint: 'Name texts under calibration.data.',
    })
    native().dispose(model)
  })

  describe('in a pipeline', () => {
    let given
    before(async () => {
      given = await tinyCompression(join(root, 'inputs'))
    })

    test('every criterion leaves the share that it is told, in steps with training between them or at once', async () => {
      const stages = [
        { method: 'prune', sparsity: 0.5, criterion: 'sparsegpt', steps: 2, recover: {} },
        { method: 'prune', pattern: '2:4', criterion: 'wanda' },
      ]
      const { report } = await compress({ ...given, stages, out: join(root, 'pipeline') }).result
      const names = report.stages.map(({ stage }) => stage)
      assert.deepEqual(names, ['00-start', '01-prune', '02-recover', '03-prune', '04-recover', '05-prune'])
      const [, first, , second, recovered, last] = report.stages
      const { weights } = last.figures
      // Trainings keep zeros, and groups that have more than two keep them too.
      assert.equal(recovered.zeros, second.zeros)
      assert.ok(last.zeros > weights / 2)
      assert.ok(Math.abs(first.figures.sparsity - 0.4375) < 1e-3)
      assert.ok(Math.abs(second.figures.sparsity - 0.5) < 1e-3)
      assert.equal(last.parameters.total - last.parameters.nonzero, last.zeros)
      assert.ok(last.figures.tensors.every(({ error }) => error > 0 && error < 1))
    })
  })
})

test('halves are rounded to the even number, as Python does', () => {
  assert.deepEqual(
    [1, 3, 5, 7, 4.9998, 14.4].map((n) => shareOf(0.5, n)),
    [0, 2, 2, 4, 2, 7],
  )
})

dataTest(
  'stories260K at half its weights: dense < SparseGPT < Wanda < magnitude in perplexity',
  'models/stories260K_hf',
  async (t, folder) => {
    const spec = decoderSpec(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')))
    const loaded = () => runJob('loadModel', { folder, spec, dtype: 'float32', threads: 1 })
    const dense = await loaded()
    const [calibration, heldOut] = await Promise.all([1, 2].map((seed) => stories(dense, seed)))
    const perplexity = async (model) => {
      const options = { window: 0, stride: 0, first_target: 1, threads: 1 }
      const scores = await runJob('score', { model, rows: heldOut, ...options })
      const sum = (key) => scores.reduce((total, score) => total + score[key], 0)
      return Math.exp(sum('nll') / sum('tokens'))
    }
    const found = { dense: await perplexity(dense) }
    for (const criterion of ['sparsegpt', 'wanda', 'magnitude']) {
      const model = await loaded()
      const context = { model, spec, calibration: [packed(calibration)], seed: 1, threads: 1 }
      await prune.run(stageOf({ criterion, sparsity: 0.5 }), context)
      found[criterion] = await perplexity(model)
      native().dispose(model)
    }
    native().dispose(dense)
    t.diagnostic(JSON.stringify(found))
    assert.ok(found.dense < found.sparsegpt && found.sparsegpt < found.wanda && found.wanda < found.magnitude)
  },
)

/** What the model itself tells, from BOS on: 24 stories, or beginnings of them. */
async function stories(model, seed) {
  const prompts = Array.from({ length: 24 }, () => Int32Array.of(1))
  const sampling = { temperature: 1, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1, seed }
  const limits = { max_new_tokens: 160, stop_ids: Int32Array.of(), stream: false, threads: 1 }
  const told = await runJob('generate', { model, prompts, ...limits, ...sampling })
  return told.map(({ ids }) => Int32Array.of(1, ...new Int32Array(ids)))
}

/** Rows of one document each, of equal length. */
function packed(all) {
  const ids = Int32Array.from(all.flatMap((row) => [...row]))
  const labels = new Int32Array(ids.length).fill(-100)
  return { ids, labels, segments: new Int32Array(ids.length), rows: all.length }
}
