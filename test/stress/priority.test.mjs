// In a process that serves, what computes leaves cores to the event loop: jobs of this process, and trainings in their own.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadModel, train } from 'tongueforge'
import { runJob } from '#lib/native'
import { temporaryFolder } from '../helpers/folders.mjs'
import { sleep } from '../helpers/stress.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const usual = getPriority()
const lowered = Math.min(usual + 10, 19)
const home = temporaryFolder()
const folder = await writeTinyModel(join(home, 'model'))
const elsewhere = process.platform !== 'linux' && 'threads have priorities of their own on Linux alone'

const threads = () => readdirSync('/proc/self/task').map(Number)

/** Of a thread, "below normal" being 10; undefined once it has ended. */
function niceness(thread) {
  try {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]) // field 19 of proc(5)
  } catch {
    return undefined
  }
}

/** A job of ten seconds. */
const work = (signal) =>
  runJob('matmulRate', { dtype: 'float32', device: 'cpu', seconds: 10, threads: 2 }, { signal })

/** Answers until it is stopped. */
const answersOf = (model) => async (signal) => {
  for (;;) await model.generateIds([[5, 6, 7]], { maxNewTokens: 100, signal })
}

/** Lowest priority seen of a thread that a job has started, and those of the threads that were there before it. */
async function prioritiesDuring(start) {
  const before = new Set(threads())
  const stop = new AbortController()
  const job = start(stop.signal)
  let lowest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < 20; i++) {
    await sleep(10)
    const started = threads().filter((thread) => !before.has(thread))
    lowest = Math.max(lowest, ...started.map((thread) => niceness(thread) ?? lowest))
  }
  const others = [...before].map(niceness).filter((level) => level !== undefined)
  stop.abort(new Error('enough was seen'))
  await assert.rejects(job, /enough was seen/)
  return { lowest, others: new Set(others) }
}

test('a job computes below normal while a model serves, and no longer once it is gone', {
  skip: elsewhere,
}, async () => {
  const others = new Set([usual])
  assert.deepEqual(await prioritiesDuring(work), { lowest: usual, others })
  const model = await loadModel(folder, { serving: true })
  assert.deepEqual(await prioritiesDuring(work), { lowest: lowered, others })
  assert.deepEqual(await prioritiesDuring(answersOf(model)), { lowest: usual, others })
  await model.dispose()
  assert.deepEqual(await prioritiesDuring(work), { lowest: usual, others })
})

test('so does the process of a training, and learns the same', { skip: elsewhere }, async () => {
  const config = { ...(await tinyTraining(join(home, 'training'), { steps: 8 })), eval: undefined }
  /** The priority of its process at its first step, and its weights. */
  const trained = async (out) => {
    const run = train({ ...config, out })
    let level
    for await (const _ of run) {
      const [began] = readFileSync(join(out, 'events.jsonl'), 'utf8').split('\n', 1)
      level ??= getPriority(JSON.parse(began).process.pid)
    }
    const { model } = await run.result
    return { level, weights: readFileSync(join(model, 'model.safetensors')) }
  }
  const alone = await trained(join(home, 'alone'))
  const model = await loadModel(folder, { serving: true })
  const beside = await trained(join(home, 'beside'))
  await model.dispose()
  assert.deepEqual([alone.level, beside.level], [usual, lowered])
  assert.ok(alone.weights.equals(beside.weights))
})
