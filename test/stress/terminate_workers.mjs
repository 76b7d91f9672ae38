// Starts workers that load libtorch and work, and terminates each at a random instant, two at a time: half of them
// counted from their creation on, half from the message that their first job has started. A program of its own,
// because a crash takes the whole process. Prints {times, running}: ms per terminate(), and how many were at work.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { inLanes, random, sleep, withDeadline } from '../helpers/stress.mjs'
import { KINDS } from './endless_work.mjs'

const { count, seed, folders, loadInMain, startUp } = JSON.parse(process.argv[2])
if (loadInMain) (await import('#lib/native')).native()

const draw = random(seed)
const times = []
let running = 0

await inLanes(count, 2, async (i) => {
  const kind = KINDS[i % KINDS.length]
  const fromCreation = i % 2 === 0
  const delay = draw() * (fromCreation ? startUp : 60)
  const worker = new Worker(new URL('worker.mjs', import.meta.url), { workerData: { kind, folders } })
  let working = false
  const started = once(worker, 'message').then(() => {
    working = true
  })
  const failed = once(worker, 'exit').then(([code]) => {
    throw new Error(`the worker (${kind}) ended by itself with code ${code}`)
  })
  started.catch(() => {})
  failed.catch(() => {})
  if (!fromCreation) await withDeadline(Promise.race([started, failed]), `round ${i}: the start of ${kind}`)
  await Promise.race([sleep(delay), failed])
  running += working ? 1 : 0
  const begin = performance.now()
  await withDeadline(worker.terminate(), `round ${i}: terminate() of ${kind}`)
  times.push(performance.now() - begin)
})

process.stdout.write(JSON.stringify({ times, running }))
