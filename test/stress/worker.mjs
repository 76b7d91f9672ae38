// A worker thread that works until it is ended: by terminate() from outside, or with exit code 3 by itself,
// `exit` = {after: ms, from: 'start' | 'running'}.
import { parentPort, workerData } from 'node:worker_threads'

const { kind, folders, exit } = workerData
const end = () => setTimeout(() => process.exit(3), exit.after)
if (exit?.from === 'start') end()

// Imported here, so that terminate() and exit also hit the loading of libtorch.
const { workWithoutEnd } = await import('./endless_work.mjs')
await workWithoutEnd(kind, folders, () => {
  parentPort.postMessage('running')
  if (exit?.from === 'running') end()
})
