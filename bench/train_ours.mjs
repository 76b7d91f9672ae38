// Our side of train.mjs: makes a trainer of FOLDER, then takes one step a line of standard input and answers with
// {loss, seconds, cpu_seconds, peak_bytes}. node bench/train_ours.mjs FOLDER THREADS
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { runJob } from '#lib/native'

const [folder, count] = process.argv.slice(2)
const threads = Number(count)
const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)
const peakBytes = () => 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])

const batches = read('batches.json').map(({ ids, labels, segments, rows }) => ({
  ids: Int32Array.from(ids),
  labels: Int32Array.from(labels),
  segments: Int32Array.from(segments),
  rows,
}))
const spec = decoderSpec(read('config.json'))
const model = await runJob('loadModel', { folder, spec, dtype: 'float32', threads })
const optimizer = { kind: 'adamw', beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, decay_all: true }
const trainer = await runJob('makeTrainer', {
  model,
  optimizer,
  loss: { kind: 'language' },
  dtype: 'float32',
  frozen: [],
  seed: 1,
})
say({ ready: true })

let step = 0
for await (const _ of createInterface({ input: process.stdin })) {
  const started = performance.now()
  const before = process.cpuUsage()
  const { loss } = await runJob('trainStep', {
    trainer,
    batches: [batches[step]],
    step: step++,
    lr: 3e-4,
    clip: 1,
    threads,
  })
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(before)
  say({ loss, seconds, cpu_seconds: (user + system) / 1e6, peak_bytes: peakBytes() })
}
