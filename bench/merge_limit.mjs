// What the disk and the kernel take for a merge, without the merge: every model is read by a thread of its own, in pieces of
// 4 MB, and the first one written on the way, with fsync. node merge_limit.mjs OUT MODEL...
import { closeSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread, Worker, workerData } from 'node:worker_threads'

if (isMainThread) {
  const [out, ...models] = process.argv.slice(2)
  mkdirSync(out)
  for (const [i, model] of models.entries())
    new Worker(fileURLToPath(import.meta.url), { workerData: { model, out: i === 0 ? out : undefined } })
} else {
  const { model, out } = workerData
  const source = openSync(join(model, 'model.safetensors'), 'r')
  const target = out && openSync(join(out, 'model.safetensors'), 'w')
  const piece = Buffer.allocUnsafe(4 << 20)
  for (let count = readSync(source, piece); count > 0; count = readSync(source, piece))
    if (target) for (let at = 0; at < count; at += writeSync(target, piece, at, count - at));
  closeSync(source)
  if (target) {
    fsyncSync(target)
    closeSync(target)
  }
}
