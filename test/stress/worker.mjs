// A worker thread that works until it is ended: by terminate() from outside, or by itself as `ending` says
// {how: 'exit' | 'throw', after: ms, from: 'start' | 'running'}: with exit code 3, or by an uncaught error.
import { parentPort, workerData } from 'node:worker_threads'

const { kind, inputs, collecting, ending } = workerData
const HOW = {
  exit: () => process.exit(3),
  throw: () => {
    throw new Error('thrown on purpose')
  },
}
const end = () => setTimeout(HOW[ending.how], ending.after)
if (ending?.from === 'start') end()

// Imported here, so that terminate() and exit also hit the loading of libtorch.
const { workWithoutEnd } = await import('./endless_work.mjs')
const onRunning = () => {
  parentPort.postMessage('running')
  if (ending?.from === 'running') end()
}
await workWithoutEnd(kind, inputs, { onRunning, collecting })
