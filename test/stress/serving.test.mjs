// A model that serves 64 streams at a time, with aborts, refused requests and swapped weights: every answer is that of the
// request alone, memory stays flat, and the event loop free.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { test } from 'node:test'
import { loadModel } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { full, random, report, rounds, seed, sleep } from '../helpers/stress.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const seconds = rounds({ quick: 3, full: 300 })
const STREAMS = 64
const RESOLUTION = 5 // ms, of the timer that is watched
const LIMIT = 20 // ms, p99 of what the loop may be late
const GROWTH = 40e6 // bytes of RSS, which itself wanders

const draw = random(seed)
const below = (n) => Math.floor(draw() * n)
const serving = (cache) => ({ cache, sequences: 24, queue: STREAMS })

/** Requests to draw from, half of them behind the same beginning, on weights without and with a graft. */
const REQUESTS = Array.from({ length: 60 }, (_, i) => ({
  prompt: [
    ...new Array(i % 2 ? 70 : 0).fill(9),
    ...Array.from({ length: 1 + below(60) }, () => 5 + below(40)),
  ],
  options: {
    maxNewTokens: 1 + below(100),
    temperature: i % 3 ? 1 : 0,
    seed: i,
    logprobs: i % 5 ? undefined : 2,
  },
}))

test(`${STREAMS} streams for ${seconds} s: no crash, no cross-talk, flat memory`, async (t) => {
  const root = temporaryFolder()
  const [folder, base, chat] = ['target', 'base', 'chat'].map((name) => join(root, name))
  for (const [i, path] of [folder, base, chat].entries()) await writeTinyModel(path, { seed: i + 1 })
  // 40 pages: fewer than 24 sequences need, so that seats are lost
  const model = await loadModel(folder, { threads: 2, serving: serving(40 * 32 * 512) })
  const answersAlone = async () => {
    const all = []
    for (const { prompt, options } of REQUESTS) all.push((await model.generateIds([prompt], options))[0])
    return all
  }
  const plain = await answersAlone()
  await model.graft({ base, chat }, { scale: 0.5 })
  const grafted = await answersAlone()
  await model.ungraft()

  const counts = { answered: 0, aborted: 0, refused: 0, swaps: 0 }
  const end = performance.now() + 1000 * seconds
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION })
  const stream = async () => {
    while (performance.now() < end) {
      const i = below(REQUESTS.length)
      const { prompt, options } = REQUESTS[i]
      const chance = draw()
      if (chance < 0.05) {
        await assert.rejects(model.generateIds([[1, 10 ** 6]]), { code: 'ERR_DATA' })
        counts.refused++
      } else if (chance < 0.2) {
        const signal = AbortSignal.timeout(1 + below(30))
        await model.generateIds([prompt], { ...options, maxNewTokens: 120, signal }).catch((error) => {
          assert.equal(error.name, 'TimeoutError')
        })
        counts.aborted++
      } else {
        const [answer] = await model.generateIds([prompt], options)
        const expected = [plain[i], grafted[i]].filter(({ ids }) => `${ids}` === `${answer.ids}`)
        assert.ok(expected.length > 0, `request ${i} (seed ${seed})`)
        assert.ok(expected.some((one) => JSON.stringify(one) === JSON.stringify(answer)))
        counts.answered++
      }
    }
  }
  const swaps = async () => {
    while (performance.now() < end) {
      await sleep(below(500))
      if (counts.swaps++ % 2) await model.ungraft()
      else await model.graft({ base, chat }, { scale: 0.5 })
    }
  }
  const memory = []
  const watch = async () => {
    await sleep(250 * seconds)
    delay.enable()
    while (performance.now() < end) {
      memory.push(process.memoryUsage.rss())
      await sleep(100 * seconds)
    }
  }
  await Promise.all([...Array.from({ length: STREAMS }, stream), swaps(), watch()])
  delay.disable()
  const { running, waiting, pages_in_use, unseated, cached_tokens, new_tokens } = model.stats()
  assert.deepEqual({ running, waiting, pages_in_use }, { running: 0, waiting: 0, pages_in_use: 0 })
  await model.dispose()
  const late = Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION)
  report(
    t,
    `${JSON.stringify({ ...counts, unseated, cached_tokens, new_tokens })}; loop late by p99 ${late.toFixed(1)} ms`,
  )
  report(t, `RSS ${memory.map((bytes) => bytes >> 20).join(', ')} MiB`)
  if (!full) return
  assert.ok(unseated > 0 && cached_tokens > 0)
  assert.ok(memory.at(-1) - memory[0] < GROWTH, 'memory grows')
  assert.ok(late < LIMIT, `p99 ${late} ms`)
})
