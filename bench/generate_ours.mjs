// Our side of generate.mjs: asked {batch, prompt, tokens} a line, it answers with greedily so many tokens a prompt, as {seconds,
// cpu_seconds, ids}. node bench/generate_ours.mjs FOLDER DTYPE THREADS QUANTIZED
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { runJob } from '#lib/native'
import { timedLayers } from '#lib/verbs/timed_layers'

const [folder, dtype, count, quantized] = process.argv.slice(2)
const threads = Number(count)
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)
const GREEDY = { temperature: 0, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1, seed: 0 }

const spec = modelSpec(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')), folder, {
  quantized: true,
})
const model = await runJob('loadModel', { folder, spec, dtype, threads })
await timedLayers(model, { quantized }, { threads })
say({ ready: true })

for await (const line of createInterface({ input: process.stdin })) {
  const { batch, prompt, tokens } = JSON.parse(line)
  const started = performance.now()
  const before = process.cpuUsage()
  const results = await runJob('generate', {
    ...{ model, threads, max_new_tokens: tokens, stream: false, stop_ids: Int32Array.of(), ...GREEDY },
    prompts: Array.from({ length: batch }, () => Int32Array.from(prompt)),
  })
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(before)
  say({ seconds, cpu_seconds: (user + system) / 1e6, ids: Array.from(new Int32Array(results[0].ids)) })
}
