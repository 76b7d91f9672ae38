// What the disk and the kernel take for a merge, without the merge: three threads read a third of every model each, in
// pieces of 2 MB, and write that of the first model to its place; at the end one fsync. node merge_limit.mjs OUT MODEL...
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread, Worker, workerData } from 'node:worker_threads'

const PIECE = 2 << 20
const THREADS = 3

if (isMainThread) {
  const [out, ...folders] = process.argv.slice(2)
  const models = folders.map((folder) => join(folder, 'model.safetensors'))
  mkdirSync(out)
  const result = join(out, 'model.safetensors')
  const file = openSync(result, 'w')
  const { size } = statSync(models[0])
  ftruncateSync(file, size)
  const parts = Array.from({ length: THREADS }, (_, thread) => {
    const worker = new Worker(fileURLToPath(import.meta.url), {
      workerData: { result, models, size, thread },
    })
    return new Promise((done, reject) => worker.once('error', reject).once('exit', done))
  })
  await Promise.all(parts)
  fsyncSync(file)
  closeSync(file)
} else {
  const { result, models, size, thread } = workerData
  const sources = models.map((model) => openSync(model, 'r'))
  const out = openSync(result, 'r+')
  const piece = Buffer.allocUnsafe(PIECE)
  // Neighbouring pieces, as a merge takes them: the disk reads on in order.
  for (let at = thread * PIECE; at < size; at += THREADS * PIECE) {
    for (const source of sources.slice(1)) readSync(source, piece, 0, PIECE, at)
    const count = readSync(sources[0], piece, 0, PIECE, at)
    for (let put = 0; put < count; put += writeSync(out, piece, put, count - put, at + put));
  }
}
