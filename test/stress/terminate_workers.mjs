// Starts workers that load libtorch and work, and terminates each at a random instant, two at a time: half of them
// counted from their creation on, half from the message that their first job has started; a third of them collect their
// garbage all the time, in small heaps. A program of its own, because a crash takes the whole process. Prints {times,
// running, kinds, before, after}: ms per terminate(), how many were at work, of which kinds, and what the process held
// after the first few and at the end. Started with --expose-gc.
import { Worker } from 'node:worker_threads'
import { collected, holdings, openFiles, settled } from '../helpers/process_state.mjs'
import { inLanes, random, sleep, withDeadline } from '../helpers/stress.mjs'
import { KINDS } from './jobs/index.mjs'

const { count, seed, inputs, loadInMain, startUp } = JSON.parse(process.argv[2])
const SMALL = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 }
const WARM_UP = 4
if (loadInMain) (await import('#lib/native')).native()

const draw = random(seed)
const times = []
const kinds = {}
let running = 0

function start(kind, collecting) {
  const workerData = { kind, inputs, collecting }
  const resourceLimits = collecting ? SMALL : undefined
  const worker = new Worker(new URL('worker.mjs', import.meta.url), { workerData, resourceLimits })
  const run = { worker, working: false }
  run.failed = new Promise((_done, reject) => {
    worker.on('error', reject).on('exit', (code) => reject(new Error(`${kind}: ended by itself, ${code}`)))
  })
  run.failed.catch(() => {}) // it ends by terminate() as well
  run.started = new Promise((done) => {
    worker.on('message', () => {
      run.working = true
      done()
    })
  })
  return run
}

async function terminateOne(i) {
  const kind = KINDS[Math.floor(draw() * KINDS.length)]
  const fromCreation = i % 2 === 0
  const delay = draw() * (fromCreation ? startUp : 60)
  const run = start(kind, i % 3 === 0)
  if (!fromCreation) await withDeadline(Promise.race([run.started, run.failed]), `start of ${kind}`)
  await Promise.race([sleep(delay), run.failed])
  if (run.working) {
    running++
    kinds[kind] = (kinds[kind] ?? 0) + 1
  }
  const begin = performance.now()
  await withDeadline(run.worker.terminate(), `terminate() of ${kind}`)
  times.push(performance.now() - begin)
}

await inLanes(Math.min(WARM_UP, count), 2, terminateOne)
const before = holdings(await collected())
await inLanes(count - WARM_UP, 2, (i) => terminateOne(i + WARM_UP))
const after = holdings(await settled(before))
process.stdout.write(JSON.stringify({ times, running, kinds, before, after, files: openFiles() }))
