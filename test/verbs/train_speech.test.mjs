// objective: masked of a speech encoder, whole runs: a language of tones, from random weights or a folder to a folder.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { inspect, loadModel } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { wav } from '../helpers/sounds.mjs'
import { FRONT_END, toneModel, writeTinySound } from '../helpers/tiny_sound.mjs'

const root = temporaryFolder()
const { train: data, heldOut, targets } = writeTinySound(join(root, 'sound'))
let made = 0
const config = (changes = {}) => ({
  objective: 'masked',
  init: toneModel(),
  out: join(root, `run-${made++}`),
  data: [{ path: data }],
  eval: { every: 20, data: [{ path: heldOut }] },
  sound: { targets, join: 'speaker', ...changes.sound },
  data_cache: join(root, 'cache'),
  sequence_length: 40,
  batch_size: 4,
  steps: 80,
  optimizer: { lr: 0.01 },
  schedule: { warmup: 5 },
  checkpoint: { every: 8, keep: 2 },
  threads: 1,
  ...Object.fromEntries(Object.entries(changes).filter(([key]) => key !== 'sound')),
})
const weights = (out) => readFileSync(join(out, 'model', 'model.safetensors'))
const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))
const lines = (out) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('objective: masked of a speech encoder', () => {
  test('learns hidden sound from random weights, into a folder that hears as its targets were made', async () => {
    const settings = config()
    const { model, report } = await train(settings).result
    const told = lines(settings.out)
    assert.equal(told.length, 80)
    const last = told.at(-1).eval_loss
    assert.ok(last < 0.7 * Math.log(4), `held-out loss ${last}; four tones alike: ${Math.log(4)}`)
    assert.deepEqual(json(model, 'preprocessor_config.json'), FRONT_END)
    assert.equal(json(model, 'config.json').model_type, 'melhubert')
    assert.equal(report.plan.data.documents, 40)
    assert.ok(report.plan.data.sources[0].seconds > 30)
    const { parameters } = await inspect(model)
    assert.equal(parameters.total, report.plan.parameters)
    const encoder = await loadModel(model, { threads: 1 })
    const [{ places, states }] = await encoder.hiddenStates([new Float32Array(20 * 10)])
    assert.deepEqual([places, states.length], [10, 3])
    await encoder.dispose()
  })

  test('stopped and resumed, with dropout, it writes the bytes of an undisturbed run', async () => {
    const everywhere = { residual: 0.1, attention: 0.1, activation: 0.1 }
    const whole = config({ steps: 20, dropout: everywhere })
    await train(whole).result
    const cut = { ...whole, out: join(root, 'cut') }
    const stop = new AbortController()
    const run = train(cut, { signal: stop.signal })
    const ended = (async () => {
      for await (const { step } of run) if (step === 11) stop.abort(new Error('enough'))
    })()
    await assert.rejects(ended, /enough/)
    await assert.rejects(run.result, /enough/)
    await train(cut, { resume: true }).result
    assert.ok(weights(cut.out).equals(weights(whole.out)))
    const losses = (out) => lines(out).map(({ loss }) => loss)
    assert.deepEqual(losses(cut.out), losses(whole.out))
    const other = config({ steps: 20 })
    await train(other).result
    assert.ok(!weights(other.out).equals(weights(whole.out)), 'dropout changes what is learnt')
  })

  test('goes on from its own folder, apart as well as joined, and the loss is where it was', async () => {
    const first = config({ steps: 60 })
    const { model } = await train(first).result
    const next = config({
      init: undefined,
      model,
      steps: 5,
      optimizer: { lr: 1e-6 },
      sound: { join: undefined },
    })
    const { report } = await train(next).result
    const [before, after] = [lines(first.out).at(-1).eval_loss, report.eval_loss]
    assert.ok(Math.abs(before - after) < 0.3, `${before} -> ${after}`)
    assert.deepEqual(
      json(report.config_sha256 ? next.out : '', 'model', 'preprocessor_config.json'),
      FRONT_END,
    )
  })

  test('adafactor trains every number of a convolution, and keeps what the plan says', async () => {
    const start = await train(config({ steps: 1 })).result
    const settings = config({
      init: undefined,
      model: start.model,
      steps: 2,
      optimizer: { kind: 'adafactor', lr: 0.01 },
      schedule: { warmup: 0 },
      checkpoint: { every: 1, keep: 1 },
    })
    const { model, report } = await train(settings).result
    const [before, after] = [start.model, model].map((folder) =>
      readArrays(join(folder, 'model.safetensors')),
    )
    const convolutions = Object.keys(before).filter((name) => before[name].shape.length === 3)
    assert.ok(convolutions.length > 0, Object.keys(before).join())
    for (const name of convolutions) {
      const [was, is] = [before[name].data, after[name].data]
      const same = was.filter((value, i) => value === is[i]).length
      assert.ok(same < 0.01 * was.length, `${name}: ${same} of ${was.length} numbers stay as they are`)
    }
    const state = join(settings.out, 'checkpoints/step-00000001/state.safetensors')
    const { checkpoint_bytes } = report.plan
    const header = 300 * Object.keys(readArrays(state)).length
    const { size } = statSync(state)
    assert.ok(size >= checkpoint_bytes && size < checkpoint_bytes + header, `${size} ${checkpoint_bytes}`)
  })

  test('how much is hidden, and in how long spans, is as the config says', async () => {
    const hidden = async (sound) => {
      const settings = config({ steps: 2, sound })
      await train(settings).result
      return lines(settings.out).reduce((sum, { tokens }) => sum + tokens, 0) / (2 * 4 * 40)
    }
    const usual = await hidden({}) // .7 in spans of three, which overlap
    const [few, apart] = [await hidden({ mask_probability: 0.1 }), await hidden({ mask_length: 1 })]
    assert.ok(few < 0.35 * usual, `${few} of ${usual}`)
    assert.ok(apart > 1.15 * usual, `${apart} apart, ${usual} in spans`) // .7 against .55, if all rows were full
  })

  test('a finished run whose sound, or what joins it, has changed is another run', async () => {
    const place = join(root, 'changing')
    mkdirSync(place)
    for (const name of ['train_0.wav', 'train_1.wav'])
      writeFileSync(join(place, name), readFileSync(join(root, 'sound', name)))
    const manifest = (second) =>
      writeFileSync(join(place, 'all.csv'), `path,speaker\ntrain_0.wav,anna\ntrain_1.wav,${second}\n`)
    manifest('ben')
    const settings = config({ steps: 2, data: [{ path: join(place, 'all.csv') }], eval: undefined })
    await train(settings).result
    await train(settings, { resume: true }).result
    manifest('anna')
    await assert.rejects(train(settings, { resume: true }).result, { code: 'ERR_CHECKPOINT' })
    manifest('ben')
    await train(settings, { resume: true }).result
    const louder = readFileSync(join(place, 'train_0.wav'))
    louder.writeInt16LE(1234, 100)
    writeFileSync(join(place, 'train_0.wav'), louder)
    await assert.rejects(train(settings, { resume: true }).result, { code: 'ERR_CHECKPOINT' })
  })

  test('files that are skipped are counted with their source', async () => {
    const place = join(root, 'damaged')
    mkdirSync(place)
    writeFileSync(join(place, 'train_0.wav'), readFileSync(join(root, 'sound', 'train_0.wav')))
    writeFileSync(join(place, 'no.wav'), 'no sound')
    const skipping = { path: place, invalid: 'skip', max_invalid: 1 }
    const settings = config({ data: [{ path: data }, skipping], sound: { join: 'any' } })
    const { report } = await train(settings, { dryRun: true }).result
    const { sources, skipped } = report.plan.data
    assert.deepEqual([sources[0].skipped, sources[1].skipped, skipped], [0, 1, 1])
  })

  test('a micro-batch cut in two is the same update', async () => {
    const one = config({ steps: 3, batch_size: 4, sound: { join: 'any' } })
    const two = config({ steps: 3, batch_size: 2, accumulation: 2, sound: { join: 'any' } })
    await train(one).result
    await train(two).result
    const losses = (out) => lines(out).map(({ loss }) => loss)
    for (const [i, loss] of losses(two.out).entries())
      assert.ok(Math.abs(loss - losses(one.out)[i]) < 1e-4, `step ${i}`)
  })
})

describe('what cannot be learnt is refused', () => {
  const refused = async (changes, code, message, hint) => {
    const error = await train(config(changes)).result.then(
      () => assert.fail('expected an error'),
      (thrown) => thrown,
    )
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    assert.match(error.hint, hint)
  }
  const elsewhere = join(root, 'elsewhere')
  mkdirSync(elsewhere)
  writeFileSync(join(elsewhere, 'stranger.wav'), readFileSync(join(root, 'sound', 'train_0.wav')))
  writeFileSync(join(elsewhere, 'train_0.wav'), readFileSync(join(root, 'sound', 'train_3.wav')))
  writeFileSync(join(elsewhere, 'short.wav'), wav(new Float32Array(150), { rate: 8000 }))
  writeFileSync(join(elsewhere, 'short.csv'), 'path,speaker\nshort.wav,anna\n')
  writeFileSync(join(elsewhere, 'one.csv'), 'path\ntrain_0.wav\n')
  writeFileSync(join(elsewhere, 'stranger.csv'), 'path,speaker\nstranger.wav,anna\n')

  test('keys that do not belong together', async () => {
    await refused({ objective: 'cp' }, 'ERR_CONFIG', /received cp/, /masked trains an encoder/)
    await refused(
      { eval: { samples: { prompts: ['a'] }, data: [{ path: heldOut }] } },
      'ERR_CONFIG',
      /samples/,
      /Leave/,
    )
    await refused({ replay: [{ path: data, share: 0.1 }] }, 'ERR_CONFIG', /replay/, /weight/)
    await refused(
      { init: toneModel({ num_cluster: 3 }) },
      'ERR_CONFIG',
      /at most 3 clusters, found 4/,
      /num_cluster=4/,
    )
    await refused(
      { init: toneModel({ feat_emb_dim: 40 }) },
      'ERR_MODEL_CONFIG',
      /front end of 40/,
      /stacked_frames/,
    )
  })

  test('data that their targets do not know, or know otherwise', async () => {
    const only = (file) => ({ data: [{ path: join(elsewhere, file) }] })
    await refused(only('stranger.csv'), 'ERR_DATA', /stranger\.wav: expected its clusters/, /Name all data/)
    await refused(
      { ...only('one.csv'), sound: { join: undefined } },
      'ERR_DATA',
      /a cluster for each of \d+ places, found \d+/,
      /run tongueforge clusters again/,
    )
    await refused(only('one.csv'), 'ERR_DATA', /the column speaker/, /join: any/)
    await refused(
      only('short.csv'),
      'ERR_AUDIO',
      /short\.wav: expected at least 0\.025 s/,
      /Leave the file out/,
    )
  })
})
