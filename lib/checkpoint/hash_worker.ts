/** The thread that hashes a file: gigabytes of it would take seconds from the event loop. */
import { createHash } from 'node:crypto'
import { closeSync, readSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { openRegularNow } from './regular_file'

const fd = openRegularNow(workerData as string)
const hash = createHash('sha256')
const piece = Buffer.allocUnsafe(1 << 20)
for (let count = readSync(fd, piece); count > 0; count = readSync(fd, piece))
  hash.update(piece.subarray(0, count))
closeSync(fd)
parentPort!.postMessage(hash.digest('hex'))
