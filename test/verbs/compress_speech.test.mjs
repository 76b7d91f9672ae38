// Speech encoders are compressed by the same stages as models of text: every technique, with recovery, and a landscape.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, inspect, landscape, loadModel } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { withSilentHeads } from '../helpers/pruned_models.mjs'
import { lastingFiles } from '../helpers/tiny_compression.mjs'
import { FRONT_END, toneModel, writeTinySound } from '../helpers/tiny_sound.mjs'
import { hubertConfig, noise, writeTinySpeech } from '../helpers/tiny_speech.mjs'

const root = temporaryFolder()
const { train: data, heldOut, targets } = writeTinySound(join(root, 'sound'))
const model = join(root, 'base', 'model')
const shared = {
  sound: { targets, join: 'speaker' },
  data_cache: join(root, 'cache'),
  threads: 1,
}
const learning = {
  objective: 'masked',
  data: [{ path: data }],
  sequence_length: 40,
  batch_size: 4,
  schedule: { warmup: 2 },
}
const config = {
  ...shared,
  model,
  calibration: { data: [{ path: data }], samples: 10, sequence_length: 40, batch_size: 4 },
  recovery: { ...learning, steps: 15, optimizer: { lr: 3e-3 }, checkpoint: { every: 5 } },
  evaluate: { data: [{ path: heldOut }], sequence_length: 40, batch_size: 4 },
  seed: 3,
}
const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))
const stageOf = ({ report }, name) => report.stages.find(({ stage }) => stage.endsWith(name))

/** The last states of a sound of the tests' own. */
async function heard(folder) {
  const encoder = await loadModel(folder, { threads: 1 })
  const [{ states }] = await encoder.hiddenStates([noise(20 * 10, 5)])
  await encoder.dispose()
  return states.at(-1)
}
const farthest = (a, b) => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0)

before(async () => {
  const given = {
    ...shared,
    ...learning,
    init: toneModel({ num_attention_heads: 4 }),
    out: join(root, 'base'),
  }
  await train({ ...given, steps: 60, optimizer: { lr: 0.01 } }).result
})

describe('compress of a speech encoder', () => {
  const STAGES = {
    heads: { method: 'heads', criterion: 'data', remove: 2, scope: 'global' },
    taylor: { method: 'heads', criterion: 'taylor', keep: 2 },
    named: { method: 'heads', heads: { 0: [1, 2], 1: [3] } },
    rows: { method: 'rows', criterion: 'l1', keep: 24 },
    layers: { method: 'layers', criterion: 'influence', drop: 1 },
    whitened: { method: 'lowrank', ratio: 0.6 },
    magnitude: { method: 'prune', sparsity: 0.5 },
    wanda: { method: 'prune', criterion: 'wanda', sparsity: 0.5 },
    sparsegpt: { method: 'prune', criterion: 'sparsegpt', sparsity: 0.5 },
  }
  for (const [name, stage] of Object.entries(STAGES))
    test(`${name}: what is foretold comes out, loads, and is measured`, async () => {
      const given = { ...config, out: join(root, name), stages: [stage] }
      const { report: plan } = await compress(given, { dryRun: true }).result
      const { model: folder, report } = await compress(given).result
      const [start, done] = [report.stages[0], report.stages.at(-1)]
      assert.ok(start.loss < 1 && Number.isFinite(done.loss), `${start.loss} -> ${done.loss}`)
      assert.deepEqual(json(folder, 'preprocessor_config.json'), FRONT_END)
      const told = await inspect(folder, { macs: true, tokens: 50 })
      assert.equal(told.parameters.total, done.parameters.total)
      const foretold = plan.stages.at(-1)
      if (foretold.parameters) assert.deepEqual(foretold.parameters.total, done.parameters.total)
      const encoder = await loadModel(folder, { threads: 1 })
      const [{ states }] = await encoder.hiddenStates([new Float32Array(20 * 10)])
      assert.equal(states.length, encoder.spec.layers.length + 1)
      await encoder.dispose()
    })

  test('without the heads that are named it answers as if they said nothing', async () => {
    const heads = { 0: [1, 2], 1: [3] }
    const given = { ...config, out: join(root, 'removed'), stages: [{ method: 'heads', heads }] }
    const { model: left, report } = await compress(given).result
    const states = await Promise.all(
      [left, withSilentHeads(model, join(root, 'silent'), heads, 8)].map(heard),
    )
    assert.ok(farthest(...states) < 1e-4)
    assert.ok(farthest(states[0], await heard(model)) > 1e-2)
    assert.deepEqual(
      report.removed_heads.map(({ step, layer, head }) => [step, layer, head]),
      [
        [1, 0, 1],
        [1, 0, 2],
        [1, 1, 3],
      ],
    )
  })

  test('heads, rows, weights, each with recovery, and from a teacher: stopped, it goes on to the same bytes', async () => {
    const stages = [
      { method: 'heads', criterion: 'l1', keep: 2, recover: {} },
      { method: 'rows', criterion: 'taylor', keep: 24, recover: { dropout: 0.1 } },
      { method: 'distil', distil: { encode: 'masked' }, steps: 10 },
      { method: 'prune', sparsity: 0.3 },
    ]
    const whole = { ...config, out: join(root, 'whole'), stages }
    const { model: folder, report } = await compress(whole).result
    const losses = report.stages.map(({ loss }) => loss)
    assert.ok(losses.every(Number.isFinite), losses.join())
    assert.ok(
      stageOf({ report }, '02-recover').loss < stageOf({ report }, '01-heads').loss + 0.05,
      losses.join(),
    )
    const cut = { ...whole, out: join(root, 'cut') }
    const stop = new AbortController()
    const run = compress(cut, { signal: stop.signal })
    const ended = (async () => {
      for await (const { event, stage, step } of run)
        if (event === 'step' && stage.startsWith('04') && step === 7) stop.abort(new Error('enough'))
    })()
    await assert.rejects(ended, /enough/)
    await assert.rejects(run.result, /enough/)
    const { model: other } = await compress(cut, { resume: true }).result
    const weights = (place) => lastingFiles(place)['model.safetensors']
    assert.ok(weights(other) === weights(folder))
  })

  test('what was chosen and measured with other masks is chosen and measured again', async () => {
    const stages = [
      { method: 'heads', criterion: 'data', remove: 2, scope: 'global' },
      { method: 'prune', sparsity: 0.5 },
    ]
    const given = { ...config, out: join(root, 'masks'), stages }
    const before = await compress(given).result
    const sound = { ...config.sound, mask_probability: 0.9, mask_length: 2 }
    const { report } = await compress({ ...given, sound }, { resume: true }).result
    const anew = await compress({ ...given, sound, out: join(root, 'masks anew') }).result
    const told = ({ stages }) => stages.slice(1).map(({ loss, figures }) => ({ loss, figures }))
    assert.deepEqual(told(report), told(anew.report))
    assert.notDeepEqual(told(report), told(before.report))
    assert.ok([undefined, anew.report.stages[0].loss].includes(report.stages[0].loss))
  })

  test('without targets nothing is asked that needs a loss', async () => {
    const { sound: _, evaluate, ...without } = config
    const cases = {
      evaluate: { evaluate, stages: [{ method: 'prune', sparsity: 0.5 }] },
      training: { stages: [{ method: 'prune', sparsity: 0.5 }, { method: 'recover' }] },
      criterion: { stages: [{ method: 'heads', criterion: 'data', keep: 2 }] },
    }
    for (const [name, asked] of Object.entries(cases))
      await assert.rejects(
        compress({ ...without, ...asked, out: join(root, 'no') }).result,
        (error) =>
          error.code === 'ERR_CONFIG' && /sound\.targets/.test(error.message) && /clusters/.test(error.hint),
        name,
      )
  })
})

describe('compress of a speech encoder without clusters', () => {
  const hubert = join(root, 'hubert')
  const { calibration, threads, seed } = config
  const bare = { model: hubert, threads, seed }

  before(async () => {
    await writeTinySpeech(hubert, hubertConfig())
    const samples = {
      feature_extractor_type: 'Wav2Vec2FeatureExtractor',
      sampling_rate: 8000,
      feature_size: 1,
    }
    writeFileSync(
      join(hubert, 'preprocessor_config.json'),
      JSON.stringify({ ...samples, do_normalize: true }),
    )
  })

  test('weights alone are looked at without sound, and without a front end', async () => {
    const alone = join(root, 'alone')
    cpSync(hubert, alone, { recursive: true })
    rmSync(join(alone, 'preprocessor_config.json'))
    const stages = [
      { method: 'heads', criterion: 'l1', keep: 1 },
      { method: 'prune', sparsity: 0.5 },
    ]
    const { report } = await compress({ ...bare, model: alone, out: join(root, 'weights'), stages }).result
    assert.ok(report.stages.at(-1).parameters.nonzero < 0.7 * report.stages[0].parameters.nonzero)
  })

  for (const stage of [
    { method: 'prune', criterion: 'wanda', sparsity: 0.5 },
    { method: 'prune', criterion: 'sparsegpt', sparsity: 0.5 },
    { method: 'lowrank', ratio: 0.5 },
    { method: 'layers', criterion: 'influence', drop: 1 },
  ])
    test(`${stage.criterion ?? stage.method}: sound is listened to, and no clusters are asked for`, async () => {
      const out = join(root, `hubert-${stage.criterion ?? stage.method}`)
      const { model: folder, report } = await compress({ ...bare, calibration, out, stages: [stage] }).result
      const encoder = await loadModel(folder, { threads: 1 })
      const [{ states }] = await encoder.hiddenStates([noise(2000, 5)])
      await encoder.dispose()
      assert.ok(states.at(-1).every(Number.isFinite))
      assert.ok(report.stages.at(-1).parameters.nonzero < report.stages[0].parameters.nonzero)
    })

  test('what needs a loss says that a HuBERT has none', async () => {
    const given = { ...bare, calibration, out: join(root, 'lossless') }
    const stages = [{ method: 'heads', criterion: 'taylor', keep: 1 }]
    await assert.rejects(
      compress({ ...given, stages }).result,
      ({ code, message }) => code === 'ERR_CONFIG' && /criterion.*foretells no clusters/.test(message),
    )
  })
})

test('a landscape of a speech encoder has loss, size, multiplications and real-time factor of each point', async () => {
  const { recovery, ...given } = config
  const out = join(root, 'landscape')
  const drawn = {
    ...given,
    recovery: { ...recovery, steps: 5 },
    out,
    measure: { seconds: 2, repeats: 3, warmup: 1 },
    techniques: [
      {
        name: 'rows',
        rates: [24],
        stages: [{ method: 'rows', criterion: 'l1', keep: '$rate' }, { method: 'recover' }],
      },
      { name: 'magnitude', rates: [0.5], stages: [{ method: 'prune', sparsity: '$rate' }] },
    ],
  }
  const { points: foretold } = await landscape(drawn, { dryRun: true }).result
  const { points, failed, kind, fronts, measure } = await landscape(drawn).result
  assert.deepEqual([failed, kind, measure.seconds, measure.tokens], [[], 'speech', 2, undefined])
  assert.deepEqual(
    points.map(({ point }) => point),
    ['original', 'rows-24', 'magnitude-0.5'],
  )
  assert.deepEqual(
    points.map(({ macs, parameters }) => ({ macs, parameters })),
    foretold.map(({ macs, parameters }) => ({ macs, parameters })),
  )
  const { core, superb, tokens } = (await inspect(model, { macs: true, seconds: 2 })).macs
  const counted = { core: points[0].macs.core, superb: points[0].macs.superb, tokens: points[0].macs.tokens }
  assert.deepEqual(counted, { core, superb, tokens })
  for (const { loss, macs, parameters, speed } of points) {
    assert.ok(loss > 0 && macs.core > 0 && parameters.total > 0)
    assert.equal(macs.seconds, 2)
    assert.ok(speed.prefill_seconds.min > 0)
    assert.equal(speed.decode_seconds, null)
    assert.deepEqual(speed.real_time_factor, {
      min: speed.prefill_seconds.min / 2,
      median: speed.prefill_seconds.median / 2,
    })
  }
  assert.deepEqual(Object.keys(fronts), ['all_parameters', 'parameters', 'macs', 'rtf'])
  const html = readFileSync(join(out, 'landscape.html'), 'utf8')
  for (const text of [
    'Pre-training loss against four costs',
    '>real-time factor<',
    'Zeroed weights save no time',
  ])
    assert.ok(html.includes(text), text)
  assert.match(readFileSync(join(out, 'landscape.csv'), 'utf8'), /speed\.real_time_factor\.min/)
  assert.ok(points[1].macs.core < points[0].macs.core)
  assert.equal(points[2].macs.core, points[0].macs.core)
  rmSync(out, { recursive: true })
})
