// A worker thread that works until it is ended: by terminate() from outside, or by itself after `exitAfter` ms.
import { parentPort, workerData } from 'node:worker_threads'

const { kind, folders, exitAfter } = workerData
if (exitAfter !== undefined) setTimeout(() => process.exit(3), exitAfter)

// Imported here, so that terminate() and exit also hit the loading of libtorch.
const { workWithoutEnd } = await import('./endless_work.mjs')
await workWithoutEnd(kind, folders, () => parentPort.postMessage('running'))
