// Measures many texts at the same time: a pool of worker threads, each with the model loaded once. (One model with
// `serving` answers many requests in less memory; workers are for code of your own that would hold up a thread.)
//   node examples/worker_pool.mjs MODEL TEXTS.txt [WORKERS]
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { isMainThread, parentPort, threadId, Worker, workerData } from 'node:worker_threads'
import { loadModel } from 'tongueforge'

if (isMainThread) await main(process.argv.slice(2))
else await work(workerData)

async function main([model, file, workers = '2']) {
  const texts = (await readFile(file, 'utf8')).split('\n').filter(Boolean)
  const results = []
  let next = 0
  const lane = async () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { model } })
    while (next < texts.length) {
      const index = next++
      worker.postMessage(texts[index])
      const [result] = await once(worker, 'message') // rejects where the worker fails
      results[index] = result
    }
    await worker.terminate()
  }
  await Promise.all(Array.from({ length: Number(workers) }, lane))
  for (const [i, { perplexity, thread }] of results.entries())
    console.log(`${perplexity.toFixed(2)}  ${texts[i]}  (thread ${thread})`)
}

async function work({ model: folder }) {
  const model = await loadModel(folder, { threads: 1 })
  parentPort.on('message', async (text) => {
    const { perplexity } = await model.score(text)
    parentPort.postMessage({ perplexity, thread: threadId })
  })
}
