// The server of the soak: in one process it serves models with chat vectors to put on and take off, trains, and has a
// process of its own train, until it is told to end. Watches its event loop, memory, threads and files. Speaks by IPC:
// {url} when it listens; after any message {trainings, late, samples, before, after, mismatches}. Started with --expose-gc.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { serve, train as trainInOwnProcess } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { collected, holdings, settled } from '../helpers/process_state.mjs'
import { random, sleep } from '../helpers/stress.mjs'

const { home, models, delta, training, seed, seconds } = JSON.parse(process.argv[2])
const RESOLUTION = 5 // ms, of the timer that is watched
const SAMPLES = 60 // each collects all garbage, which stops the loop that is watched

const draw = random(seed)
const ended = once(process, 'message').then(() => {
  over = true
})
process.once('disconnect', () => {
  if (!over) process.exit(1) // whoever wanted to know has gone
})
let over = false
let mismatches = 0
const trainings = { here: 0, own: 0, stopped: 0 }
const expected = {}

/** One training after another, a third of them stopped on their way; those that end must have the bytes of the first. */
async function trainOn(place, run) {
  for (let i = 0; !over; i++) {
    const out = join(home, `${place}-${i}`)
    const stop = new AbortController()
    const timer = draw() < 0.33 ? setTimeout(() => stop.abort(new Error('enough')), 2000 * draw()) : undefined
    try {
      const { model } = await run({ ...training, out }, { signal: stop.signal }).result
      const bytes = readFileSync(join(model, 'model.safetensors'))
      const hash = createHash('sha256').update(bytes).digest('hex')
      expected.model ??= hash
      if (hash !== expected.model) mismatches++
      trainings[place]++
    } catch (error) {
      if (!stop.signal.aborted) throw error
      trainings.stopped++
    } finally {
      clearTimeout(timer)
      rmSync(out, { recursive: true, force: true })
    }
  }
}

async function watch(samples, delay) {
  await Promise.race([ended, sleep(250 * seconds)]) // warm
  delay.enable()
  while (!over) {
    const { resident_bytes, threads, open_files, tensors } = await collected()
    samples.push({ second: performance.now() / 1000, resident_bytes, threads, open_files, tensors })
    await Promise.race([ended, sleep((750 * seconds) / SAMPLES)])
  }
  delay.disable()
}

const before = holdings(await collected())
const server = await serve({
  ...{ models, deltas: { manners: delta }, port: 0, bodyLimit: 100_000 },
  load: { threads: 1, serving: { sequences: 24, queue: 128, cache: 40 * 32 * 512 } },
})
process.send({ url: server.url })
const samples = []
const delay = monitorEventLoopDelay({ resolution: RESOLUTION })
await Promise.all([watch(samples, delay), trainOn('here', train), trainOn('own', trainInOwnProcess)])
await server.close()
const late = Object.fromEntries(
  [50, 99, 100].map((share) => [share, Math.max(0, delay.percentile(share) / 1e6 - RESOLUTION)]),
)
process.send({ trainings, late, samples, before, after: holdings(await settled(before)), mismatches }, () =>
  process.disconnect(),
)
