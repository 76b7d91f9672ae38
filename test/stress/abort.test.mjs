// Aborted at any instant, a job rejects with the reason of its signal, soon, and leaves everything usable.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { graft, loadModel, sweep } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import {
  full,
  quantiles,
  random,
  report,
  rounds,
  seed,
  sleep,
  spread,
  withDeadline,
} from '../helpers/stress.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { hubertConfig, noise, writeTinySpeech } from '../helpers/tiny_speech.mjs'
import { tinySweep } from '../helpers/tiny_sweep.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'
import { writeModels } from './models.mjs'
import { MICRO_STEPS, TrainingSteps } from './training_steps.mjs'

const count = rounds({ quick: 10, full: 200 })
const LATENCY = 100 // ms that an abort may take, beside the native operation under way

const home = temporaryFolder()
const folders = await writeModels(home)
const draw = random(seed)

/** Aborts what `start(signal)` runs after some ms. Resolves with {latency}, ms until it rejected, or {time}: it was over. */
async function abortAfter(delay, start) {
  const stop = new AbortController()
  const reason = { name: 'the very reason' }
  const started = performance.now()
  const outcome = start(stop.signal).then(
    () => ({ time: performance.now() - started }),
    (error) => ({ error }),
  )
  if (delay >= 1) await Promise.race([sleep(delay), outcome])
  const begin = performance.now()
  stop.abort(reason)
  const { error, time } = await withDeadline(outcome, 'an aborted job')
  if (time !== undefined) return { time }
  assert.equal(error, reason)
  return { latency: performance.now() - begin }
}

async function timed(run) {
  const begin = performance.now()
  const result = await run()
  return { result, time: performance.now() - begin }
}

/**
 * Aborts `start` again and again, at once or at instants of its usual time; `check(aborted)` looks at what is left
 * after each. Resolves with the ms that each abort took.
 */
async function abortManyTimes(t, usual, start, check = () => {}, times = count) {
  const latencies = []
  for (let i = 0; i < times; i++) {
    const { latency, time } = await abortAfter(i === 0 ? 0 : draw() * 1.1 * usual, start)
    usual = time ?? 1.05 * usual // the load of the machine changes
    if (latency !== undefined) latencies.push(latency)
    await check(latency !== undefined)
  }
  report(
    t,
    `${latencies.length} of ${times} aborted in time (it now takes ${Math.round(usual)} ms): ${spread(latencies)}`,
  )
  assert.ok(latencies.length > 0, 'nothing was aborted')
  return latencies
}

/** Checks latencies; `operation`: ms of native work between two looks at the signal. */
function assertSoon(latencies, operation) {
  if (full) assert.ok(quantiles(latencies).p99 < LATENCY + operation, spread(latencies))
}

test('loading', async (t) => {
  const load = async (signal) => (await loadModel(folders.large, { signal })).dispose()
  const { time } = await timed(() => load())
  assertSoon(await abortManyTimes(t, time, load), time)
  await load()
})

test('generating', async (t) => {
  const model = await loadModel(folders.small)
  const generate = (signal) => model.generate('the fox', { maxNewTokens: 120, signal }).result
  const { result, time } = await timed(() => generate())
  const check = async () => assert.equal((await generate()).text, result.text)
  assertSoon(await abortManyTimes(t, time, generate, full ? undefined : check), time / 120)
  await check()
  await model.dispose()
})

test('scoring', async (t) => {
  const model = await loadModel(folders.large, { threads: 1 })
  const rows = [Int32Array.from({ length: 700 }, (_, i) => i % 50)]
  const score = (signal) => model.scoreIds(rows, { signal })
  const { result, time } = await timed(() => score())
  assertSoon(await abortManyTimes(t, time, score), time / 5)
  assert.deepEqual(await score(), result)
  await model.dispose()
})

test('hidden states of sound, in its convolutions and in the blocks', async (t) => {
  const config = hubertConfig({ conv_dim: [64, 64, 64], hidden_size: 64, num_hidden_layers: 4 })
  const model = await loadModel(await writeTinySpeech(join(home, 'speech'), config), { threads: 1 })
  const sounds = [1, 2, 3, 4].map((seed) => noise(16000, seed))
  const hear = (signal) => model.hiddenStates(sounds, { layers: ['last'], signal })
  const { result, time } = await timed(() => hear())
  assertSoon(await abortManyTimes(t, time, hear), time / 10)
  assert.deepEqual(await hear(), result)
  await model.dispose()
})

test('a training step: what follows has the bits of an undisturbed run', async (t) => {
  const undisturbed = await TrainingSteps.open(folders.large)
  const disturbed = await TrainingSteps.open(folders.large)
  const { result, time } = await timed(() => undisturbed.step(0))
  assert.deepEqual(await disturbed.step(0), result)
  let step = 1
  const take = (signal) => disturbed.step(step, { signal }).then((taken) => void results.push(taken))
  const results = []
  const latencies = await abortManyTimes(t, time, take, async (aborted) => {
    if (aborted) await take()
    assert.deepEqual(results.pop(), await undisturbed.step(step), `step ${step}`)
    step++
  })
  assertSoon(latencies, time / MICRO_STEPS)
  const places = ['disturbed', 'undisturbed'].map((name) => join(home, name))
  for (const place of places) mkdirSync(place)
  assert.ok(
    (await disturbed.save(places[0])).equals(await undisturbed.save(places[1])),
    'weights and moments',
  )
  disturbed.dispose()
  undisturbed.dispose()
})

test('grafting: no folder is there afterwards, half made or hidden', async (t) => {
  const { large, scratch } = folders
  const out = join(scratch, 'model')
  const run = (signal) => graft({ target: large, base: large, chat: large, scale: 1, out }, { signal })
  const { time } = await timed(() => run())
  const weights = readFileSync(join(out, 'model.safetensors'))
  rmSync(out, { recursive: true })
  const latencies = await abortManyTimes(t, time, run, (aborted) => {
    assert.deepEqual(readdirSync(scratch), aborted ? [] : ['model'])
    rmSync(out, { recursive: true, force: true })
  })
  assertSoon(latencies, time)
  await run()
  assert.ok(readFileSync(join(out, 'model.safetensors')).equals(weights))
})

test('grafting a model in memory: its weights are as they were', async (t) => {
  const { large } = folders
  const [base, chat] = [1, 2].map((seed) => join(home, `graft-${seed}`))
  for (const [i, folder] of [base, chat].entries())
    await writeTinyModel(folder, { seed: 10 + i, width: 256, layers: 4 })
  const model = await loadModel(large, { threads: 1 })
  const score = async () => (await model.scoreIds([[1, 2, 3]]))[0].nll
  const run = (signal) => model.graft({ base, chat }, { signal })
  const plain = await score()
  const { time } = await timed(() => run())
  const grafted = await score()
  await model.ungraft()
  const latencies = await abortManyTimes(t, time, run, async (aborted) => {
    assert.equal(await score(), aborted ? plain : grafted)
    await model.ungraft()
  })
  assertSoon(latencies, time / 10)
  await model.dispose()
})

test('sweeping: the points that were measured stay, and are those of an undisturbed sweep', async (t) => {
  const config = { ...(await tinySweep(join(home, 'sweep'), { width: 128 })), scales: [0, 0.3, 0.6, 0.9] }
  const valuesOf = ({ points }) => points.map(({ values }) => values)
  const run = (name, options) => sweep({ ...config, out: join(home, name) }, options).result
  const { result, time } = await timed(() => run('sweep-whole'))
  const latencies = await abortManyTimes(
    t,
    time,
    (signal) => run('sweep-stopped', { signal, resume: true }),
    async () => {
      assert.deepEqual(valuesOf(await run('sweep-stopped', { resume: true })), valuesOf(result))
      rmSync(join(home, 'sweep-stopped'), { recursive: true })
    },
    rounds({ quick: 3, full: 40 }),
  )
  assertSoon(latencies, time / 10)
})

test('training: resumed, it ends with the bytes of an undisturbed run', async (t) => {
  const config = await tinyTraining(join(home, 'training'))
  const weights = (name) => readFileSync(join(home, name, 'model/model.safetensors'))
  const run = (name, options) => train({ ...config, out: join(home, name) }, options).result
  const { time } = await timed(() => run('whole'))
  const expected = weights('whole')
  await abortManyTimes(
    t,
    time,
    (signal) => run('stopped', { signal, resume: true }),
    async () => {
      await run('stopped', { resume: true })
      assert.ok(weights('stopped').equals(expected))
      rmSync(join(home, 'stopped'), { recursive: true })
    },
    rounds({ quick: 2, full: 40 }),
  )
})
