/** Follows a run that another process works on, or has worked on: what a server does once it is started again. */
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { abortWith } from '../../abort'
import { ioError } from '../../checkpoint/json_file'
import { checkOptions, type Kinds, numberOption, pathOption } from '../../config/call_options'
import { signalOf } from '../run'
import {
  type TrainContext,
  type TrainOptions,
  type TrainReport,
  type TrainResult,
  TrainRun,
  type TrainStep,
} from '../train'
import { EVENTS_FILE } from '../training/claimed_folder'
import { readHolder } from '../training/run_lock'
import { cannotStop, nothingToFollow, outOfSight } from './endings'
import type { RunEvent } from './events'
import { firstEvent, follow } from './follow'
import { Hearing } from './hearing'
import { isSame, type ProcessIdentity, whereabouts } from './identity'
import { HOSTED } from './verbs'

/** From where a run is followed, and who hears of it. */
export interface AttachOptions extends Pick<TrainOptions, 'onWarning' | 'onNote' | 'onProgress'> {
  /** The last step that is known already: those after it are told. Default 0: all. */
  after?: number | undefined
  /** Lets go of the run, which goes on; `stop` ends it. */
  signal?: AbortSignal | undefined
}

const OPTIONS: Kinds<AttachOptions> = {
  onWarning: 'function',
  onNote: 'function',
  onProgress: 'function',
  after: 'any',
  signal: 'signal',
}

const PACE = 20 // ms

/** A run of another process: as a TrainRun, but its signal, or leaving its loop, only lets go of it. */
export class AttachedRun extends TrainRun<TrainReport> {
  readonly #folder: string

  constructor(folder: string, options: AttachOptions) {
    const signal = signalOf(options)
    // What lies in the folder comes at once, however late its reader is.
    super((context) => followRun(folder, options, context), { signal, capacity: Number.POSITIVE_INFINITY })
    this.#folder = folder
  }

  /**
   * Asks the process to save and end, by SIGTERM. Resolves once it has ended, and at once where none works on the run;
   * the run rejects with ERR_INTERRUPTED. Throws ERR_BUSY where the process is out of sight, ERR_IO where it is
   * somebody else's.
   */
  async stop(): Promise<void> {
    const { process: its } = await beginning(this.#folder)
    const where = whereabouts(its)
    if (where === 'elsewhere') throw outOfSight(this.#folder, its)
    // Once it has let go of the folder there is nothing to save any more.
    if (where === 'alive' && (await holds(its, this.#folder))) ask(its, this.#folder)
    while (whereabouts(its) === 'alive') await setTimeout(PACE)
  }
}

/**
 * Follows a run in the folder that `train` writes into, whichever process works on it: its steps from the first one on,
 * or from `after` on, then those to come; warnings and notes of this session. `result` is that of `train`, also where
 * the run has ended meanwhile. Throws ERR_NOT_FOUND where there is nothing to follow, ERR_BUSY where the process tells
 * nothing (that of a command, or of ownProcess: false) or is out of sight, ERR_PROCESS where it was killed or crashed,
 * and what training throws.
 */
export function attach(folder: string, options: AttachOptions = {}): AttachedRun {
  // What is no path is a failure of the run.
  return new AttachedRun(typeof folder === 'string' ? resolve(folder) : folder, options)
}

async function followRun(
  folder: string,
  options: AttachOptions,
  { emit, signal, latest }: TrainContext,
): Promise<TrainResult<TrainReport>> {
  checkOptions('attach', options, OPTIONS)
  pathOption('attach: folder', folder)
  const { after = 0 } = options
  numberOption('attach: after', after, { least: 0, most: Number.MAX_SAFE_INTEGER, whole: true })
  const { verb, process: its } = await beginning(folder)
  const leave = new AbortController()
  abortWith(leave, signal) // for good: it is the signal of this run alone
  const hearing = new Hearing({ ...options, emit: unknown(emit, after), signal, latest }, () => leave.abort())
  const earlier = async (before: number) => {
    for (const item of await HOSTED[verb].earlier(folder, before)) hearing.hear({ event: 'item', item })
  }
  let isFirst = true
  const alive = () => !leave.signal.aborted && whereabouts(its) === 'alive'
  for await (const event of follow(join(folder, EVENTS_FILE), { alive, signal: leave.signal })) {
    if (leave.signal.aborted) break
    if (event.event === 'item' && isFirst) {
      isFirst = false
      await earlier((event.item as TrainStep).step)
    }
    hearing.hear(event)
  }
  signal.throwIfAborted()
  if (isFirst) await earlier(Number.POSITIVE_INFINITY)
  if (!hearing.isOver && whereabouts(its) === 'elsewhere') throw outOfSight(folder, its)
  return hearing.ended({ pid: its.pid, log: undefined }) as TrainResult<TrainReport>
}

/** Leaves out the steps up to one; what is taken again after a rollback is told. */
function unknown(emit: (step: TrainStep) => void, after: number): (step: TrainStep) => void {
  let isKnown = true
  return (step) => {
    isKnown &&= step.step <= after
    if (!isKnown) emit(step)
  }
}

/** How the run was begun. Throws ERR_NOT_FOUND, ERR_BUSY, ERR_IO. */
async function beginning(folder: string): Promise<Extract<RunEvent, { event: 'began' }>> {
  const first = await firstEvent(join(folder, EVENTS_FILE)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw ioError(folder, error)
  })
  if (first?.event === 'began') return first
  throw nothingToFollow(folder, await readHolder(folder))
}

async function holds(its: ProcessIdentity, folder: string): Promise<boolean> {
  const holder = await readHolder(folder)
  return holder !== undefined && isSame(holder, its)
}

function ask({ pid }: ProcessIdentity, folder: string): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cannotStop(folder, pid, cause)
  }
}
