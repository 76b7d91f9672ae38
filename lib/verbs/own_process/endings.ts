/** How a run in another process ended badly, as an error of this one. */
import { readFileSync, rmSync } from 'node:fs'
import { TongueforgeError } from '../../errors'
import { type RunHolder, who } from '../training/run_lock'
import type { Kept, ToldFailure } from './events'
import { type ProcessIdentity, whereabouts } from './identity'

/** What is known of a process that has ended without telling how. */
export interface ForcedEnd {
  pid: number
  /** Only whoever started it hears them. */
  signal?: string | null
  code?: number | null
  kept: Kept | undefined
  /** Where it wrote what it wrote. */
  log: string | undefined
}

const LAST_LINES = 8
const CRASHES = ['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGILL', 'SIGFPE', 'SIGTRAP']

/** The error that the process told. */
export function toldError({ code, message, hint, details, stack }: ToldFailure): TongueforgeError {
  const cause = stack === undefined ? undefined : Object.assign(new Error(message), { stack })
  return new TongueforgeError(code, message, { hint, details, cause })
}

/** ERR_PROCESS, with the last lines of the process, whose log goes. */
export function endedByForce({ pid, signal, code, kept, log }: ForcedEnd): TongueforgeError {
  const said = lastLines(log)
  const how = signal ? `by ${signal}` : code == null ? 'by force' : `with exit code ${code}`
  const words = said.length > 0 ? `: ${said.at(-1)}` : ''
  return new TongueforgeError('ERR_PROCESS', `the process of the run (${pid}) ended ${how}${words}`, {
    hint: [goOn(kept), causeOf(signal, code)].filter(Boolean).join(' '),
    details: {
      pid,
      ...(signal && { signal }),
      ...(code != null && { exit_code: code }),
      resumable: kept !== undefined,
      ...(kept && { checkpoint: kept.path, step: kept.step }),
      ...(said.length > 0 && { log: said }),
    },
  })
}

const goOn = (kept: Kept | undefined) =>
  kept
    ? `What was learned up to step ${kept.step} is saved: { resume: true } goes on from there.`
    : 'Start it again with { resume: true }.'

function causeOf(signal: string | null | undefined, code: number | null | undefined): string {
  if (signal === 'SIGKILL') return 'Somebody has killed it, or the system for lack of memory (dmesg says so).'
  if (signal && CRASHES.includes(signal)) return 'It crashed: please report it, with details.log.'
  return code == null ? '' : 'Please report it, with details.log.'
}

function lastLines(log: string | undefined): string[] {
  if (!log) return []
  try {
    const text = readFileSync(log, 'utf8').trim()
    rmSync(log, { force: true })
    return text === '' ? [] : text.split('\n').slice(-LAST_LINES)
  } catch {
    return []
  }
}

/** Of a folder without events. */
export function nothingToFollow(folder: string, holder: RunHolder | undefined): TongueforgeError {
  if (holder && whereabouts(holder) !== 'gone') {
    return new TongueforgeError(
      'ERR_BUSY',
      `${folder}: the run is written by ${who(holder)}, which tells nothing`,
      {
        hint: 'Only runs with a process of their own can be followed; metrics.jsonl grows with every update of others.',
        details: { path: folder, holder },
      },
    )
  }
  return new TongueforgeError('ERR_NOT_FOUND', `${folder}: expected a run to follow, found none`, {
    hint: 'train(config, { resume: true }) goes on with a run that was cut off, and has the result of one that is done.',
    details: { path: folder },
  })
}

export function outOfSight(folder: string, its: ProcessIdentity): TongueforgeError {
  return new TongueforgeError(
    'ERR_BUSY',
    `${folder}: the process of the run (${its.pid}) is on ${its.host}, and cannot be seen from here`,
    {
      hint: 'Follow it there: on the same host, in the same container.',
      details: { path: folder, process: its },
    },
  )
}

export function cannotStop(folder: string, pid: number, cause: unknown): TongueforgeError {
  return new TongueforgeError(
    'ERR_IO',
    `${folder}: process ${pid}, which works on the run, cannot be told to stop`,
    {
      hint: `It belongs to somebody else, who can: kill ${pid}`,
      details: { path: folder, pid },
      cause,
    },
  )
}
