// Ends itself in the way that it is told while work goes on, in the main thread or in a worker. `after` ms count
// from the start of the program, or from the first running job. The parent judges the exit code.
import { Worker } from 'node:worker_threads'

const { ending, place, kind, folders, after, from } = JSON.parse(process.argv[2])

const ENDINGS = {
  exit: () => process.exit(7),
  throw: () => {
    throw new Error('thrown on purpose')
  },
  rejection: () => {
    Promise.reject(new Error('rejected on purpose'))
  },
  signal: () => {}, // comes from the parent, which reads 'running'
  worker: () => {}, // ends by itself
}

const end = () => setTimeout(ENDINGS[ending], after)

function onRunning() {
  if (from === 'running') end()
  process.stdout.write('running\n')
}

async function workHere() {
  const { workWithoutEnd } = await import('./endless_work.mjs')
  await workWithoutEnd(kind, folders, onRunning)
}

function workInWorker(workerData) {
  const worker = new Worker(new URL('worker.mjs', import.meta.url), { workerData })
  worker.on('message', onRunning)
  worker.on('exit', (code) => process.stdout.write(`worker ${code}\n`))
}

// For a parent that is no more, or a signal that does not come.
setTimeout(() => process.exit(99), 60_000).unref()

if (place === 'exit in worker') {
  workInWorker({ kind, folders, exit: { after, from } })
} else {
  if (from === 'start') end()
  if (place === 'worker') workInWorker({ kind, folders })
  else await workHere()
}
