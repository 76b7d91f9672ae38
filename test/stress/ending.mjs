// Ends itself in the way that it is told while work goes on, in the main thread or in a worker. `after` ms count
// from the start of the program, or from the first running job. The parent judges the exit code.
import { Worker } from 'node:worker_threads'

const { ending, place, kind, inputs, after, from, collecting } = JSON.parse(process.argv[2])

const ENDINGS = {
  exit: () => process.exit(7),
  throw: () => {
    throw new Error('thrown on purpose')
  },
  rejection: () => {
    Promise.reject(new Error('rejected on purpose'))
  },
  signal: () => {}, // comes from the parent, which reads 'running'
  unref: () => worker.unref(), // the last thing that keeps the process
}
let worker

const end = () => setTimeout(ENDINGS[ending], after)

function onRunning() {
  if (from === 'running') end()
  process.stdout.write('running\n')
}

async function workHere() {
  const { workWithoutEnd } = await import('./endless_work.mjs')
  await workWithoutEnd(kind, inputs, { onRunning, collecting })
}

/** `endsItself`: how the worker does, while this thread only watches. */
function workInWorker(endsItself) {
  const workerData = { kind, inputs, collecting, ending: endsItself && { how: endsItself, after, from } }
  worker = new Worker(new URL('worker.mjs', import.meta.url), { workerData })
  worker.on('message', endsItself ? () => process.stdout.write('running\n') : onRunning)
  worker.on('error', ({ message }) => process.stdout.write(`error ${message}\n`))
  worker.on('exit', (code) => process.stdout.write(`worker ${code}\n`))
}

// For a parent that is no more, or a signal that does not come.
setTimeout(() => process.exit(99), 60_000).unref()

if (place === 'itself') {
  workInWorker(ending)
} else {
  if (from === 'start') end()
  if (place === 'worker') workInWorker()
  else await workHere()
}
