// Aborted at any instant, a job rejects with the reason of its signal, soon, and leaves everything usable.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { graft, loadModel, train } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { full, quantiles, random, report, rounds, seed, sleep, spread, withDeadline } from '../helpers/stress.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'
import { writeModels } from './models.mjs'
import { TrainingSteps } from './training_steps.mjs'

const count = rounds({ quick: 10, full: 200 })
const LATENCY = 100 // ms that an abort may take beyond the native operation under way

const home = temporaryFolder()
const folders = await writeModels(home)
const draw = random(seed)

/** Aborts what `start(signal)` runs after some ms. Resolves with the ms until it rejected, or undefined: it was over. */
async function abortAfter(delay, start) {
  const stop = new AbortController()
  const reason = { name: 'the very reason' }
  const outcome = start(stop.signal).then(
    () => ({}),
    (error) => ({ error }),
  )
  if (delay >= 1) await Promise.race([sleep(delay), outcome])
  const begin = performance.now()
  stop.abort(reason)
  const { error } = await withDeadline(outcome, 'an aborted job')
  if (error === undefined) return undefined
  assert.equal(error, reason)
  return performance.now() - begin
}

async function timed(run) {
  const begin = performance.now()
  const result = await run()
  return { result, time: performance.now() - begin }
}

/** Aborts `start` again and again over its usual time; `check(aborted)` looks at what is left after each. */
async function abortManyTimes(t, usual, start, check = () => {}, times = count) {
  const latencies = []
  for (let i = 0; i < times; i++) {
    const latency = await abortAfter(draw() * 1.1 * usual, start)
    if (latency !== undefined) latencies.push(latency)
    await check(latency !== undefined)
  }
  report(
    t,
    `${latencies.length} of ${times} aborted in time (it takes ${Math.round(usual)} ms): ${spread(latencies)}`,
  )
  assert.ok(latencies.length > 0, 'nothing was aborted')
  return latencies
}

/** Checks the latency of native work, whose operations on these models take a few ms. */
function assertSoon(latencies) {
  if (full) assert.ok(quantiles(latencies).p99 < LATENCY, spread(latencies))
}

test('loading', async (t) => {
  const load = async (signal) => (await loadModel(folders.large, { signal })).dispose()
  const { time } = await timed(() => load())
  assertSoon(await abortManyTimes(t, time, load))
  await load()
})

test('generating', async (t) => {
  const model = await loadModel(folders.small)
  const generate = (signal) => model.generate('the fox', { maxNewTokens: 120, signal }).result
  const { result, time } = await timed(() => generate())
  const check = async () => assert.equal((await generate()).text, result.text)
  assertSoon(await abortManyTimes(t, time, generate, full ? undefined : check))
  await check()
  await model.dispose()
})

test('scoring', async (t) => {
  const model = await loadModel(folders.large, { threads: 1 })
  const rows = [Int32Array.from({ length: 1500 }, (_, i) => i % 50)]
  const score = (signal) => model.scoreIds(rows, { signal })
  const { result, time } = await timed(() => score())
  assertSoon(await abortManyTimes(t, time, score))
  assert.deepEqual(await score(), result)
  await model.dispose()
})

test('a training step: the one after it has the bits of an undisturbed run', async (t) => {
  const disturbed = await TrainingSteps.open(folders.large)
  const undisturbed = await TrainingSteps.open(folders.large)
  let step = 0
  const expect = async () => undisturbed.step(step)
  const { time } = await timed(expect)
  assert.deepEqual(await disturbed.step(step), { ...(await undisturbedFirst()) })
  async function undisturbedFirst() {
    const other = await TrainingSteps.open(folders.large)
    const result = await other.step(0)
    other.dispose()
    return result
  }
  step = 1
  let expected = await expect()
  const latencies = await abortManyTimes(
    t,
    time,
    (signal) => disturbed.step(step, { signal }).then((result) => assert.deepEqual(result, expected)),
    async (aborted) => {
      if (aborted) assert.deepEqual(await disturbed.step(step), expected)
      step++
      expected = await expect()
    },
  )
  assertSoon(latencies)
  await disturbed.step(step)
  const [first, second] = [join(home, 'disturbed'), join(home, 'undisturbed')]
  for (const folder of [first, second]) mkdirSync(folder)
  assert.ok((await disturbed.save(first)).equals(await undisturbed.save(second)), 'weights and moments')
  disturbed.dispose()
  undisturbed.dispose()
})
