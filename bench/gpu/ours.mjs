// Our side of bench/gpu.mjs, one measurement a process, printed as a line of JSON:
//   node bench/gpu/ours.mjs train FOLDER whole|packed off|auto SETTINGS    decode FOLDER SETTINGS    graft FOLDER SETTINGS
import { cpSync, existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { runJob } from '#lib/native'
import { graft, loadModel } from '../../dist/index.js'
import { flopsPerToken } from './models.mjs'

const WARM_UP = 3
const PROMPT = 128 // tokens
const [what, folder, ...rest] = process.argv.slice(2)
const { device, steps, new_tokens } = JSON.parse(rest.at(-1))
const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]
const say = (row) => console.log(JSON.stringify(row))

const MEASURES = { train, decode, graft: graftOnDisk }
await MEASURES[what]()

async function train() {
  const [documents, graph] = rest
  const config = read('config.json')
  const batches = read(`${documents}.json`)
  const packed = batches.map(({ ids, labels, segments, rows }) => ({
    ids: Int32Array.from(ids),
    labels: Int32Array.from(labels),
    segments: Int32Array.from(segments),
    rows,
  }))
  const trainer = await makeTrainer(config, graph === 'auto')
  const seconds = []
  const losses = []
  let peak
  for (let step = 0; step < WARM_UP + steps; step++) {
    const started = performance.now()
    const options = { trainer, batches: [packed[step % packed.length]], step, lr: 3e-4, clip: 1, threads: 0 }
    const outcome = await runJob('trainStep', options) // its loss is read back: the step is over
    seconds.push((performance.now() - started) / 1000)
    losses.push(outcome.loss)
    peak = outcome.device?.peak_bytes
  }
  const tokens = batches[0].ids.length
  say({
    documents,
    graph,
    tokens_per_second: Math.round(tokens / median(seconds.slice(WARM_UP))),
    step_seconds: median(seconds.slice(WARM_UP)),
    first_step_seconds: seconds[0],
    tflops: (flopsPerToken(config, batches[0]) * tokens) / median(seconds.slice(WARM_UP)) / 1e12,
    peak_bytes: peak,
    losses,
  })
}

async function makeTrainer(config, graph) {
  const spec = decoderSpec(config)
  const model = await runJob('loadModel', { folder, spec, dtype: 'float32', device, threads: 0 })
  const optimizer = { kind: 'adamw', beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, decay_all: true }
  const settings = { loss: { kind: 'language' }, dtype: 'bfloat16', frozen: [], seed: 1, graph }
  return runJob('makeTrainer', { model, optimizer, ...settings })
}

async function decode() {
  const model = await loadModel(folder, { device, dtype: 'bfloat16' })
  const prompt = Array.from({ length: PROMPT }, (_, i) => (i * 37) % 1000)
  const speeds = []
  for (let run = 0; run < 4; run++) {
    const { tokens_per_second } = await model.generate(prompt, { maxNewTokens: new_tokens }).result
    if (run > 0) speeds.push(tokens_per_second)
  }
  say({ tokens_per_second: median(speeds), weight_bytes: statSync(join(folder, 'model.safetensors')).size })
  await model.dispose()
}

async function graftOnDisk() {
  for (const role of ['base', 'chat'])
    if (!existsSync(`${folder}-${role}`)) cpSync(folder, `${folder}-${role}`, { recursive: true })
  const out = `${folder}-grafted`
  const inputs = { target: folder, base: `${folder}-base`, chat: `${folder}-chat` }
  const started = performance.now()
  await graft({ ...inputs, scale: 0.8, out, overwrite: true })
  const seconds = (performance.now() - started) / 1000
  const bytes = 4 * statSync(join(folder, 'model.safetensors')).size // three are read, one is written
  say({ seconds, gb_per_second: bytes / seconds / 1e9 })
  for (const made of [out, inputs.base, inputs.chat]) rmSync(made, { recursive: true })
}
