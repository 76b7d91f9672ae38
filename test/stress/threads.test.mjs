// The main thread and worker threads use models at once without hearing of each other.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { temporaryFolder } from '../helpers/folders.mjs'
import { report, rounds, withDeadline } from '../helpers/stress.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { speak } from './speak.mjs'

const times = rounds({ quick: 3, full: 30 })

async function speakInWorker(workerData) {
  const worker = new Worker(new URL('speaking_worker.mjs', import.meta.url), { workerData })
  const exited = once(worker, 'exit')
  const [said] = await once(worker, 'message')
  const [code] = await exited
  assert.equal(code, 0)
  return said
}

test('two workers and the main thread speak at once, and say the same', async (t) => {
  const folder = await writeTinyModel(join(temporaryFolder(), 'model'))
  const work = { folder, times }
  const alone = await speak(work)
  const all = Promise.all([speak(work), speakInWorker(work), speakInWorker(work)])
  for (const said of await withDeadline(all, 'three threads', 300_000)) assert.deepEqual(said, alone)
  const distinct = new Set(alone.map(({ text }) => text)).size
  report(t, `3 threads, ${alone.length} answers each, ${distinct} of them different`)
})
