// The event loop stays free while native work goes on.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { test } from 'node:test'
import { graft, loadModel } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { full, report, rounds } from '../helpers/stress.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'
import { writeModels } from './models.mjs'

const seconds = rounds({ quick: 1, full: 10 })
const RESOLUTION = 5 // ms, of the timer that is watched
const LIMIT = 50 // ms, p99 of what a loop may be late

const home = temporaryFolder()
const folders = await writeModels(home)

/** Repeats `once` for some seconds; resolves with the ms by which the loop was late. */
async function watch(once) {
  await once() // lazily compiled code and first files
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION })
  histogram.enable()
  const end = performance.now() + 1000 * seconds
  while (performance.now() < end) await once()
  histogram.disable()
  const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION)
  return {
    p50: late(histogram.percentile(50)),
    p99: late(histogram.percentile(99)),
    max: late(histogram.max),
  }
}

function judge(t, { p50, p99, max }) {
  report(
    t,
    `the loop is late by p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`,
  )
  if (full) assert.ok(p99 < LIMIT, `p99 ${p99} ms`)
}

test('while a model generates', async (t) => {
  const model = await loadModel(folders.large)
  judge(t, await watch(() => model.generate('the fox', { maxNewTokens: 100 }).result))
  await model.dispose()
})

test('while a model trains, evaluates and saves checkpoints', async (t) => {
  const config = await tinyTraining(join(home, 'training'))
  const out = join(home, 'run')
  judge(t, await watch(() => train({ ...config, out }, { overwrite: true }).result))
})

test('while models load and are grafted', async (t) => {
  const { large, scratch } = folders
  const inputs = { target: large, base: large, chat: large, out: join(scratch, 'model'), overwrite: true }
  const once = async () => {
    await graft(inputs)
    await (await loadModel(large)).dispose()
  }
  judge(t, await watch(once))
})
