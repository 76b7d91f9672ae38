// A model that serves under load: tokens a second of all requests together, time to the first token and what the event loop
// is late, against the same requests one by one and against transformers in batches.
// node bench/serve_load.mjs [--model 15m] [--requests 64] [--rate 0] [--threads 2] [--no-alone] [--no-peer]. --rate: arrivals a second,
// Poisson; 0: all at once. Machines in use: compare cpu_seconds. The Python of `npm run test:parity` runs the peer.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadModel } from 'tongueforge'
import { uniform } from './packed_rows.mjs'
import { machine, summary } from './statistics.mjs'
import { writeCase } from './train_cases.mjs'

const RESOLUTION = 5 // ms, of the timer that is watched
const bench = dirname(fileURLToPath(import.meta.url))
const python = process.env.TONGUEFORGE_PARITY_PYTHON ?? join(bench, '../build/parity-env/bin/python')
const { values } = parseArgs({
  options: {
    model: { type: 'string', default: '15m' },
    requests: { type: 'string', default: '64' },
    rate: { type: 'string', default: '0' },
    threads: { type: 'string', default: '2' },
    dtype: { type: 'string', default: 'float32' },
    alone: { type: 'boolean', default: true },
    peer: { type: 'boolean', default: true },
  },
  allowNegative: true,
})
const threads = Number(values.threads)
const draw = uniform(3)
const between = (least, most) => Math.floor(least + draw() * (most + 1 - least))

/** Prompts of 16 to 256 tokens, half of them behind the same 64; answers of 16 to 128. */
function makeRequests(count) {
  const ids = (length) => Array.from({ length }, () => between(10, 8000))
  const system = ids(64)
  return Array.from({ length: count }, (_, i) => ({
    prompt: i % 2 ? [...system, ...ids(between(16, 192))] : ids(between(16, 256)),
    new_tokens: between(16, 128),
  }))
}

async function measured(work) {
  const [start, cpu] = [performance.now(), process.cpuUsage()]
  const more = await work()
  const { user, system } = process.cpuUsage(cpu)
  return { seconds: (performance.now() - start) / 1000, cpu_seconds: (user + system) / 1e6, ...more }
}

async function served(folder, requests) {
  const { dtype } = values
  const model = await loadModel(folder, { threads, dtype, serving: { sequences: 32, prefixCache: true } })
  await model.generateIds([[1]], { maxNewTokens: 2, stopIds: [] })
  const arrivals = requests.map(() =>
    Number(values.rate) > 0 ? -Math.log(1 - draw()) / Number(values.rate) : 0,
  )
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION })
  delay.enable()
  const first = []
  const result = await measured(async () => {
    let due = 0
    const answers = []
    for (const [i, { prompt, new_tokens }] of requests.entries()) {
      due += arrivals[i]
      if (arrivals[i] > 0) await sleep(1000 * arrivals[i])
      const asked = performance.now()
      let isFirst = true
      const onToken = () => {
        if (isFirst) first.push(performance.now() - asked)
        isFirst = false
      }
      answers.push(model.generateIds([prompt], { maxNewTokens: new_tokens, stopIds: [], onToken }))
    }
    await Promise.all(answers)
    return { arrivals_seconds: due }
  })
  delay.disable()
  const stats = model.stats()
  await model.dispose()
  first.sort((a, b) => a - b)
  return {
    ...result,
    first_token_ms: { p50: first[first.length >> 1], p99: first[Math.floor(0.99 * first.length)] },
    loop_late_ms: {
      p99: Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION),
      max: delay.max / 1e6 - RESOLUTION,
    },
    cached_tokens: stats.cached_tokens,
    steps: stats.steps,
  }
}

async function oneByOne(folder, requests) {
  const model = await loadModel(folder, { threads, dtype: values.dtype })
  await model.generateIds([[1]], { maxNewTokens: 2, stopIds: [] })
  const result = await measured(async () => {
    for (const { prompt, new_tokens } of requests)
      await model.generateIds([prompt], { maxNewTokens: new_tokens, stopIds: [] })
  })
  await model.dispose()
  return result
}

function peer(folder, batch) {
  const args = [join(bench, 'serve_load_peer.py'), folder, `${batch}`, `${threads}`]
  return JSON.parse(execFileSync(python, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }))
}

const folder = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))
try {
  await writeCase(folder, { model: values.model, length: 512, documents: 'whole' }, 1)
  const requests = makeRequests(Number(values.requests))
  writeFileSync(join(folder, 'requests.json'), JSON.stringify(requests))
  const tokens = requests.reduce((total, { new_tokens }) => total + new_tokens, 0)
  const prompts = summary(requests.map(({ prompt }) => prompt.length))
  const rows = { served: await served(folder, requests) }
  if (values.alone) rows.one_by_one = await oneByOne(folder, requests)
  if (values.peer) for (const batch of [1, 8, 32]) rows[`transformers_${batch}`] = peer(folder, batch)
  for (const row of Object.values(rows)) row.tokens_per_second = tokens / row.seconds
  console.log(JSON.stringify({ ...machine(), ...values, new_tokens: tokens, prompts, rows }, null, 2))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
