// Our side of compress_weights.mjs: node bench/compress_weights_ours.mjs FOLDER THREADS CRITERION PATTERN prunes half of the
// weights and prints {seconds, cpu_seconds, peak_bytes, zeros, error}.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { pruneSchema } from '#lib/config/compress/prune'
import { runJob } from '#lib/native'
import { prune } from '#lib/verbs/compressing/prune'

const BATCH = 8 // rows at a time, as `calibration.batch_size` has it
const [folder, count, criterion, pattern] = process.argv.slice(2)
const threads = Number(count)
const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
const { ids, length } = read('rows.json')

const calibration = []
for (let first = 0; first < ids.length; first += BATCH * length) {
  const part = Int32Array.from(ids.slice(first, first + BATCH * length))
  calibration.push({
    ids: part,
    labels: new Int32Array(part.length).fill(-100),
    segments: new Int32Array(part.length),
    rows: part.length / length,
  })
}
const spec = decoderSpec(read('config.json'))
const model = await runJob('loadModel', { folder, spec, dtype: 'float32', threads })
const sparsity = pattern === 'unstructured' ? { sparsity: 0.5 } : {}
const config = pruneSchema.parse({ method: 'prune', criterion, pattern, ...sparsity })

const started = performance.now()
const before = process.cpuUsage()
const { sparsity: zeros, tensors } = await prune.run(config, { model, spec, calibration, seed: 1, threads })
const seconds = (performance.now() - started) / 1000
const { user, system } = process.cpuUsage(before)
const peak_bytes = 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
const error = tensors.reduce((sum, tensor) => sum + tensor.error, 0) / tensors.length
console.log(JSON.stringify({ seconds, cpu_seconds: (user + system) / 1e6, peak_bytes, zeros, error }))
