// One signal for a great many calls, as a program has that ends all of its work by one: nothing of a call stays in it.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadModel } from 'tongueforge'
import { abortWith } from '#lib/abort'
import { Run } from '#lib/verbs/run'
import { temporaryFolder } from '../helpers/folders.mjs'
import { report, rounds, sleep } from '../helpers/stress.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const MOST = 22 // bytes that a run may leave; AbortSignal.any leaves 36 or more, a generate twice as many

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')

async function heap() {
  for (let i = 0; i < 4; i++) {
    gc()
    await sleep(20)
  }
  return process.memoryUsage().heapUsed
}

/**
 * Bytes that each of `count` calls leaves behind in a signal that all of them have: the least of three rounds, since what is
 * left is left in each, and caches grow now and then.
 */
async function left(count, call) {
  const { signal } = new AbortController()
  const all = async () => {
    for (let i = 0; i < count; i++) await call(signal)
  }
  await all() // what is compiled and cached meanwhile does not count
  const sizes = [await heap()]
  for (let round = 0; round < 3; round++) {
    await all()
    sizes.push(await heap())
  }
  const bytes = Math.min(...sizes.slice(1).map((size, i) => size - sizes[i])) / count
  assert.deepEqual(getEventListeners(signal, 'abort'), [])
  return bytes
}

test('runs leave nothing in a signal that lives on', async (t) => {
  const bytes = await left(
    rounds({ quick: 10_000, full: 100_000 }),
    (signal) => new Run(async () => 1, { signal }).result,
  )
  report(t, `${bytes.toFixed(1)} bytes a run`)
  assert.ok(bytes < MOST, `${bytes} bytes a run`)
})

for (const [name, options] of [
  ['generate', {}],
  ['generate of a model that serves', { serving: { cache: 2 ** 20 } }],
])
  test(`${name} leaves nothing in a signal that lives on`, async (t) => {
    const folder = join(temporaryFolder(), 'model')
    await writeTinyModel(folder)
    const model = await loadModel(folder, { threads: 1, ...options })
    try {
      const bytes = await left(
        rounds({ quick: 1500, full: 15_000 }),
        (signal) => model.generate([5, 6], { maxNewTokens: 1, signal }).result,
      )
      report(t, `${bytes.toFixed(1)} bytes a call`)
      assert.ok(bytes < 2 * MOST, `${bytes} bytes a call`)
    } finally {
      await model.dispose()
    }
  })

test('work ends with the signal from outside, with its reason, also where that was aborted before', () => {
  const [outer, inner, late] = [new AbortController(), new AbortController(), new AbortController()]
  const letGo = abortWith(inner, outer.signal)
  outer.abort('enough')
  assert.equal(inner.signal.reason, 'enough')
  abortWith(late, outer.signal)
  assert.equal(late.signal.reason, 'enough')
  letGo()
  const own = new AbortController()
  abortWith(own, undefined)()
  const another = new AbortController()
  abortWith(own, another.signal)()
  another.abort()
  assert.equal(own.signal.aborted, false)
})
