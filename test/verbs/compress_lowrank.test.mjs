// The stage `lowrank` in a pipeline: sizes as foretold, figures, folders that reload, training, resume, refusals.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, loadModel } from 'tongueforge'
import { lowrank } from '#lib/verbs/compressing/lowrank'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'

const IDS = [[1, 5, 9, 12, 7, 30, 2, 18]]

describe('lowrank', () => {
  const root = temporaryFolder()
  const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))
  let given
  let made = 0
  before(async () => {
    given = await tinyCompression(join(root, 'inputs'))
  })
  const configOf = (stages, changes = {}) => ({
    ...given,
    ...changes,
    stages: stages.map((stage) => ({ method: 'lowrank', ...stage })),
    out: join(root, `run-${made++}`),
  })
  const compressed = (stages, changes) => compress(configOf(stages, changes)).result
  const bytes = ({ model }) => readFileSync(join(model, 'model.safetensors')).toString('base64')
  const figuresOf = ({ report }, stage = 1) => report.stages[stage].figures

  for (const [name, stage] of Object.entries({
    'a ratio': { ratio: 0.5 },
    'a ratio of the weights alone': { ratio: 0.5, whiten: false },
    'a ratio by the size of inputs': { ratio: 0.5, whiten: 'diagonal' },
    'a rank': { rank: 5 },
    'ranks of some layers': { rank: 8, include: ['q_proj', 'layers.0.mlp.*'], exclude: ['down_proj'] },
    'ranks in fours': { ratio: 0.4, multiple_of: 4 },
    'a rank that saves nothing for attention': { rank: 16 },
    'multiplied back': { ratio: 0.5, dense: true },
  })) {
    test(`the plan foretells parameters and bytes exactly: ${name}`, async () => {
      const config = configOf([stage])
      const { report: plan } = await compress(config, { dryRun: true }).result
      const { report } = await compress(config).result
      assert.deepEqual(plan.stages[1].parameters, report.stages[1].parameters)
      assert.equal(plan.stages[1].bytes, report.stages[1].bytes)
      assert.equal(report.loads_in, stage.dense ? 'transformers' : 'tongueforge')
    })
  }

  test('of an energy and of a budget the plan says what it cannot know', async () => {
    for (const [stage, text] of [
      [{ energy: 0.9, whiten: false }, /squared singular values/],
      [{ ratio: 0.5, allocation: 'global' }, /spread over the layers/],
    ]) {
      const { report: plan } = await compress(configOf([stage]), { dryRun: true }).result
      assert.match(plan.stages[1].unknown, text)
      const { report } = await compressed([stage])
      assert.ok(report.stages[1].parameters.total < report.stages[0].parameters.total)
    }
  })

  test('figures tell rank, parameters and error of each layer: those foretold are those measured', async () => {
    const figures = figuresOf(await compressed([{ ratio: 0.5 }]))
    assert.equal(figures.layers.length, 14)
    assert.equal(figures.measure, 'outputs')
    assert.ok(figures.parameters <= figures.parameters_before / 2)
    for (const { name, rank, parameters, error, foretold } of figures.layers) {
      assert.match(name, /^model\.layers\.[01]\./)
      assert.equal(parameters, rank * (name.includes('mlp') ? 160 : 64))
      assert.ok(Math.abs(error / foretold - 1) < 1e-4, `${name}: ${error}, foretold ${foretold}`)
    }
  })

  test('a budget is kept by all layers together', async () => {
    const figures = figuresOf(await compressed([{ ratio: 0.4, allocation: 'global', multiple_of: 2 }]))
    assert.ok(figures.parameters <= 0.4 * figures.parameters_before)
    assert.ok(figures.parameters > 0.38 * figures.parameters_before)
    assert.ok(new Set(figures.layers.map(({ rank }) => rank)).size > 2)
  })

  test('layers that a rank would not make smaller stay, and are named', async () => {
    const { model, report } = await compressed([{ rank: 16 }])
    const { unchanged, layers } = report.stages[1].figures
    assert.deepEqual(unchanged.map((name) => name.split('.').at(-1)).slice(0, 4), [
      'q_proj',
      'k_proj',
      'v_proj',
      'o_proj',
    ])
    assert.equal(layers.length, 6)
    const tensors = readArrays(join(model, 'model.safetensors'))
    assert.ok('model.layers.0.self_attn.q_proj.weight' in tensors)
    assert.deepEqual(tensors['model.layers.1.mlp.up_proj.in.weight'].shape, [16, 32])
    assert.ok(!('model.layers.1.mlp.up_proj.weight' in tensors))
    assert.equal(json(model, 'config.json').model_type, 'tongueforge_llama')
  })

  test('a factored model is what its multiplied twin is, reloaded too', async () => {
    for (const whiten of [true, false]) {
      const [factored, dense] = await Promise.all(
        [false, true].map((dense) => compressed([{ ratio: 0.4, whiten, dense }])),
      )
      assert.equal(json(dense.model, 'config.json').model_type, 'llama')
      const [a, b] = await Promise.all([factored, dense].map(({ model }) => logits(model)))
      const largest = Math.max(...b.map(Math.abs))
      for (let i = 0; i < a.length; i++) assert.ok(Math.abs(a[i] - b[i]) < 1e-5 * largest)
    }
  })

  test('multiplying back what is factored already changes no answer', async () => {
    const { model } = await compressed([{ ratio: 0.4 }])
    const back = await compressed([{ rank: 1000, dense: true, whiten: false }], { model })
    assert.equal(back.report.loads_in, 'transformers')
    const [a, b] = [await logits(model), await logits(back.model)]
    for (let i = 0; i < a.length; i++) assert.ok(Math.abs(a[i] - b[i]) < 1e-4)
  })

  test('a smaller rank of what is factored already is found from its product', async () => {
    const once = figuresOf(await compressed([{ rank: 4, whiten: false }]))
    const twice = figuresOf(
      await compressed([
        { rank: 8, whiten: false },
        { rank: 4, whiten: false },
      ]),
      2,
    )
    assert.equal(twice.layers.length, 14)
    // The best of rank 4 of the best of rank 8 is the best of rank 4.
    const [dense4, dense8] = [once, figuresOf(await compressed([{ rank: 8, whiten: false }]))]
    for (const [i, { error }] of twice.layers.entries()) {
      const [e4, e8] = [dense4.layers[i].error, dense8.layers[i].error]
      const expected = Math.sqrt((e4 ** 2 - e8 ** 2) / (1 - e8 ** 2))
      assert.ok(Math.abs(error - expected) < 1e-4)
    }
  })

  test('a factored model trains, and a stopped training goes on to the same bytes', async () => {
    const { model } = await compressed([{ ratio: 0.4 }])
    const config = { ...given.recovery, model, data_cache: given.data_cache, threads: 1, seed: 3 }
    const whole = await train({ ...config, out: join(root, 'whole') }).result
    const changed = readArrays(join(whole.model, 'model.safetensors'))
    for (const [name, { data }] of Object.entries(readArrays(join(model, 'model.safetensors'))))
      assert.notDeepEqual(changed[name].data, data, name)
    const abort = new AbortController()
    const stopped = { ...config, out: join(root, 'stopped') }
    await assert.rejects(async () => {
      for await (const { step } of train(stopped, { signal: abort.signal })) if (step === 3) abort.abort()
    })
    const resumed = await train(stopped, { resume: true }).result
    assert.equal(bytes(resumed), bytes(whole))
  })

  test('a pipeline that recovers between steps goes on after a stop to the same bytes', async () => {
    const stages = [{ ratio: 0.4, steps: 2, recover: {} }]
    const whole = await compressed(stages)
    assert.deepEqual(
      whole.report.stages.map(({ stage }) => stage),
      ['00-start', '01-lowrank', '02-recover', '03-lowrank', '04-recover'],
    )
    const abort = new AbortController()
    const config = configOf(stages)
    await assert.rejects(async () => {
      for await (const event of compress(config, { signal: abort.signal }))
        if (event.event === 'stage' && event.stage === '02-recover') abort.abort()
    })
    const resumed = await compress(config, { resume: true }).result
    assert.equal(resumed.report.resumed_after, '02-recover')
    assert.equal(bytes(resumed), bytes(whole))
  })

  test('what cannot be is refused by its key, with what to do', async () => {
    for (const [stage, key, message] of [
      [{}, 'stages.0.ratio', /expected exactly one of ratio, energy and rank/],
      [{ ratio: 0.5, rank: 4 }, 'stages.0.ratio', /expected exactly one of ratio, energy and rank/],
      [{ ratio: 1.5 }, 'stages.0.ratio', /expected a number above 0, below 1/],
      [{ rank: 4, allocation: 'global' }, 'stages.0.allocation', /a budget is a ratio/],
      [{ rank: 4, multiple_of: 4 }, 'stages.0.multiple_of', /says it itself/],
      [{ rank: 4, steps: 2 }, 'stages.0.steps', /expected 1 beside rank/],
      [{ ratio: 0.01, allocation: 'global' }, 'stages.0.ratio', /expected at least 0\.045,/],
      [
        { ratio: 0.5, include: ['qproj'] },
        'stages.0.include.0',
        /^config: stages\.0\.include\.0: 'qproj' matches/,
      ],
      [{ ratio: 0.5, exclude: ['*'] }, 'stages.0.exclude', /expected that some layer is left/],
      [{ ratio: 0.5, whiten: 'yes' }, 'stages.0.whiten', /expected true, false or diagonal/],
    ]) {
      await assert.rejects(compress(configOf([stage]), { dryRun: true }).result, (error) => {
        assert.equal(error.code, 'ERR_CONFIG')
        assert.equal(error.details.key, key)
        assert.match(error.message, message)
        return true
      })
    }
  })

  test('the last of several steps ends where one step would', () => {
    const divided = { spec: undefined, zeros: 0 }
    for (const ratio of [0.1, 0.3, 0.35, 0.7])
      for (let steps = 1; steps <= 9; steps++) {
        const ratios = lowrank.divide(divided, { ratio }, steps).map((step) => step.ratio)
        assert.equal(ratios.at(-1), ratio)
        assert.deepEqual([...ratios].sort().reverse(), ratios)
        assert.ok(Math.abs(ratios[0] - (1 - (1 - ratio) / steps)) < 1e-12)
      }
  })

  test('factors are refused where transformers is to load them, unless they are multiplied', async () => {
    const uniform = (stage) => compress(configOf([stage], { uniform: true }), { dryRun: true }).result
    await assert.rejects(uniform({ ratio: 0.5 }), {
      code: 'ERR_CONFIG',
      message:
        'config: stages.0.method: expected a model that transformers loads, as uniform: true asks, received lowrank that leaves layers that differ or are factored',
      hint: 'Set dense: true in lowrank, which multiplies the factors; or leave uniform out.',
    })
    await uniform({ ratio: 0.5, dense: true })
  })

  test('progress tells how far it is, and a stop between blocks leaves nothing', async () => {
    const abort = new AbortController()
    const config = configOf([{ ratio: 0.5, allocation: 'global' }])
    const labels = new Set()
    const run = compress(config, { signal: abort.signal })
    await assert.rejects(async () => {
      for await (const event of run) {
        if (event.label) labels.add(event.label)
        if (event.label === 'factors') abort.abort(new Error('enough'))
      }
      if (!labels.has('factors')) throw new Error('enough') // progress is only told now and then
    }, /enough/)
  })
})

async function logits(folder) {
  const model = await loadModel(folder, { threads: 1 })
  const { data } = await model.logits(IDS)
  await model.dispose()
  return [...data]
}
