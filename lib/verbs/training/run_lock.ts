/** One writer a run folder: a second run in it, with --resume or --overwrite, would ruin both. */
import { join } from 'node:path'
import { TongueforgeError, toTongueforgeError } from '../../errors'
import { readFile } from '../../files'
import { native, runJob } from '../../native'
import { type ProcessIdentity, thisProcess, whereabouts } from '../own_process/identity'

export const LOCK_FILE = 'run.lock'

/** Who writes into a run folder, as run.lock says. */
export interface RunHolder extends ProcessIdentity {
  since: string
}

export interface RunLock {
  /** Lets others in. */
  release(): Promise<void>
}

/**
 * Takes the lock of a folder that is there. `onStale` hears of a holder that ended by force; its lock went with it. Where
 * the file system knows no locks, the note of a process that may still be there is one. Throws ERR_BUSY that names the
 * holder.
 */
export async function lockRun(folder: string, onStale: (message: string) => void): Promise<RunLock> {
  const here = { ...thisProcess(), since: new Date().toISOString() }
  const note = `${JSON.stringify(here)}\n`
  const { lock, left_behind } = await takeLock(join(folder, LOCK_FILE), note).catch((error) => {
    throw busy(folder, error)
  })
  const before = parse(left_behind)
  if (before) onStale(`${folder}: the run before, ${ending(before, here)}, was ended by force`)
  return { release: async () => native().dispose(lock) }
}

async function takeLock(path: string, note: string) {
  try {
    return await runJob('lockFile', { path, note })
  } catch (error) {
    const { unlocked, holder } = toTongueforgeError(error).details
    const ended = unlocked ? parse(holder) : undefined
    if (!ended || whereabouts(ended) !== 'gone') throw error
    return runJob('lockFile', { path, note, ended: String(holder) })
  }
}

/** Who writes into a folder, or was killed while it did; undefined: nobody. */
export async function readHolder(folder: string): Promise<RunHolder | undefined> {
  return parse(await readFile(join(folder, LOCK_FILE), 'utf8').catch(() => undefined))
}

/** `process 12 on host since 2026-01-01T00:00:00.000Z` */
export const who = ({ pid, host, since }: RunHolder) => `process ${pid} on ${host} since ${since}`

function parse(note: unknown): RunHolder | undefined {
  try {
    return JSON.parse(String(note)) as RunHolder
  } catch {
    return undefined // killed before it had written who it is
  }
}

function ending(before: RunHolder, here: RunHolder): string {
  const restarted = before.host === here.host && before.boot_id !== here.boot_id
  return `process ${before.pid} of ${before.since}${restarted ? ', before this machine was started again' : ''}`
}

function busy(folder: string, thrown: unknown): TongueforgeError {
  const error = toTongueforgeError(thrown)
  if (error.code !== 'ERR_BUSY') return error
  const holder = parse(error.details.holder)
  return new TongueforgeError(
    'ERR_BUSY',
    `${folder}: expected a run that nobody writes, found one written by ${holder ? who(holder) : 'another process'}`,
    {
      hint: wayOut(holder, error.details.unlocked ? join(folder, LOCK_FILE) : undefined),
      details: { path: folder, ...(holder && { holder }) },
      cause: thrown,
    },
  )
}

/** `note`: the file that alone says so. */
function wayOut(holder: RunHolder | undefined, note: string | undefined): string {
  const unless = note ? ` If that process is no more, delete ${note}.` : ''
  if (!holder) return `Choose another out.${unless}`
  const stop = whereabouts(holder) === 'elsewhere' ? 'stop it there' : `stop it (kill ${holder.pid})`
  return `Wait for it, ${stop}, or choose another out.${unless}`
}
