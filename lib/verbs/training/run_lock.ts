/** One writer a run folder: a second run in it, with --resume or --overwrite, would ruin both. */
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { TongueforgeError, toTongueforgeError } from '../../errors'
import { native, runJob } from '../../native'

export const LOCK_FILE = 'run.lock'

/** Who writes into a run folder, as run.lock says. */
interface Holder {
  pid: number
  host: string
  /** Changes when the machine is started: a pid means nothing after that. */
  boot_id: string
  since: string
}

export interface RunLock {
  /** Lets others in. */
  release(): Promise<void>
}

/**
 * Takes the lock of a folder that is there. `onStale` hears of a holder that ended by force; its lock went with it.
 * Throws ERR_BUSY that names the holder.
 */
export async function lockRun(folder: string, onStale: (message: string) => void): Promise<RunLock> {
  const here = await holder()
  const request = { path: join(folder, LOCK_FILE), note: `${JSON.stringify(here)}\n` }
  const { lock, left_behind } = await runJob('lockFile', request).catch((error) => {
    throw busy(folder, error)
  })
  const before = parse(left_behind)
  if (before) onStale(`${folder}: the run before, ${ending(before, here)}, was ended by force`)
  return { release: async () => native().dispose(lock) }
}

async function holder(): Promise<Holder> {
  const bootId = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
  return {
    pid: process.pid,
    host: hostname(),
    boot_id: bootId.trim(),
    since: new Date().toISOString(),
  }
}

function parse(note: unknown): Holder | undefined {
  try {
    return JSON.parse(String(note)) as Holder
  } catch {
    return undefined // killed before it had written who it is
  }
}

function ending(before: Holder, here: Holder): string {
  const restarted = before.host === here.host && before.boot_id !== here.boot_id
  return `process ${before.pid} of ${before.since}${restarted ? ', before this machine was started again' : ''}`
}

function busy(folder: string, thrown: unknown): TongueforgeError {
  const error = toTongueforgeError(thrown)
  if (error.code !== 'ERR_BUSY') return error
  const holder = parse(error.details.holder)
  const who = holder ? `process ${holder.pid} on ${holder.host} since ${holder.since}` : 'another process'
  return new TongueforgeError(
    'ERR_BUSY',
    `${folder}: expected a run that nobody writes, found one written by ${who}`,
    {
      hint: holder
        ? `Wait for it, stop it (kill ${holder.pid}), or choose another out.`
        : 'Choose another out.',
      details: { path: folder, ...(holder && { holder }) },
      cause: thrown,
    },
  )
}
