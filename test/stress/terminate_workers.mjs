// Starts workers that load libtorch and work, and terminates each at a random instant, two at a time: half of them
// counted from their creation on, half from the message that their first job has started. A program of its own,
// because a crash takes the whole process. Prints {times, running}: ms per terminate(), and how many were at work.
import { Worker } from 'node:worker_threads'
import { inLanes, random, sleep, withDeadline } from '../helpers/stress.mjs'
import { KINDS } from './endless_work.mjs'

const { count, seed, folders, loadInMain, startUp } = JSON.parse(process.argv[2])
if (loadInMain) (await import('#lib/native')).native()

const draw = random(seed)
const times = []
let running = 0

function start(kind) {
  const worker = new Worker(new URL('worker.mjs', import.meta.url), { workerData: { kind, folders } })
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

await inLanes(count, 2, async (i) => {
  const kind = KINDS[Math.floor(draw() * KINDS.length)]
  const fromCreation = i % 2 === 0
  const delay = draw() * (fromCreation ? startUp : 60)
  const run = start(kind)
  if (!fromCreation) await withDeadline(Promise.race([run.started, run.failed]), `start of ${kind}`)
  await Promise.race([sleep(delay), run.failed])
  running += run.working ? 1 : 0
  const begin = performance.now()
  await withDeadline(run.worker.terminate(), `terminate() of ${kind}`)
  times.push(performance.now() - begin)
})

process.stdout.write(JSON.stringify({ times, running }))
