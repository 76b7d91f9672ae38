// What the process is told to hold goes up with what is made, and down to where it was.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { loadModel, stats } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from './helpers/folders.mjs'
import { writeTinyModel } from './helpers/tiny_model.mjs'
import { tinyTraining } from './helpers/tiny_training.mjs'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')

/** Native objects of handles that nobody has go with a collection, in a turn of the loop. */
async function collected() {
  for (let i = 0; i < 3; i++) {
    gc()
    await setImmediate()
  }
  return stats()
}

describe('stats()', () => {
  const root = temporaryFolder()
  const folder = join(root, 'model')
  before(() => writeTinyModel(folder))

  test('counts a model and its weights until it is disposed of', async () => {
    const before = await collected()
    assert.deepEqual([before.jobs, before.objects], [0, {}])
    const model = await loadModel(folder, { threads: 1 })
    const loaded = stats()
    assert.deepEqual(Object.keys(loaded.objects), ['Decoder'])
    const { count, bytes } = loaded.objects.Decoder
    assert.equal(count, 1)
    const grown = loaded.tensors.bytes - before.tensors.bytes
    assert.ok(grown >= bytes && grown < 2 * bytes, `${grown} bytes of tensors, a model of ${bytes}`)
    await model.dispose()
    const { objects, tensors } = stats()
    assert.deepEqual({ objects, tensors }, { objects: {}, tensors: before.tensors })
  })

  test('counts one that nobody disposes of until it is collected', async () => {
    const before = await collected()
    await (async () => {
      await loadModel(folder, { threads: 1 })
      assert.equal(stats().objects.Decoder.count, 1)
    })()
    const { objects, tensors } = await collected()
    assert.deepEqual({ objects, tensors }, { objects: {}, tensors: before.tensors })
  })

  test('counts a job while it runs, and the model that it holds after dispose()', async () => {
    const model = await loadModel(folder, { threads: 1 })
    const stop = new AbortController()
    let running
    await new Promise((heard) => {
      const options = { maxNewTokens: 200, stopIds: [], onToken: heard, signal: stop.signal }
      running = model.generateIds([[1, 2]], options)
    })
    assert.equal(stats().jobs, 1)
    const disposed = model.dispose() // waits for the job
    assert.equal(stats().objects.Decoder.count, 1)
    stop.abort()
    await assert.rejects(running)
    await disposed
    assert.deepEqual([stats().jobs, stats().objects], [0, {}])
  })

  test('counts what a worker holds, until it is terminated in the midst of its work', async () => {
    const before = await collected()
    const program = `
      const { loadModel } = require('tongueforge')
      const { parentPort, workerData } = require('node:worker_threads')
      loadModel(workerData, { threads: 1 }).then(async (model) => {
        const onToken = () => parentPort.postMessage('working')
        for (;;) await model.generateIds([[1, 2]], { maxNewTokens: 200, stopIds: [], onToken })
      })`
    const worker = new Worker(program, { eval: true, workerData: folder })
    await once(worker, 'message')
    assert.equal(stats().objects.Decoder.count, 1)
    await worker.terminate()
    const { jobs, objects, tensors } = await collected()
    assert.deepEqual({ jobs, objects, tensors }, { jobs: 0, objects: {}, tensors: before.tensors })
  })

  test('counts nothing of a training that has ended', async () => {
    const before = await collected()
    const config = { ...(await tinyTraining(join(root, 'training'), { steps: 4 })), out: join(root, 'run') }
    await train(config).result
    const { jobs, objects, tensors } = await collected()
    assert.deepEqual({ jobs, objects, tensors }, { jobs: 0, objects: {}, tensors: before.tensors })
  })

  test('counts open files', { skip: process.platform !== 'linux' && 'Linux only' }, async () => {
    const { open_files, threads, resident_bytes } = stats()
    openSync(join(folder, 'config.json'))
    assert.equal(stats().open_files, open_files + 1)
    assert.ok(threads > 1)
    assert.ok(resident_bytes > 1e6)
  })
})
