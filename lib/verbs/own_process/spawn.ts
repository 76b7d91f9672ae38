/** Starts the process of a run, and hears it to its end. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, openSync, rmSync } from 'node:fs'
import { constants, getPriority, setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { isSingleExecutable } from '../../addon/trial'
import { TongueforgeError } from '../../errors'
import { isServing } from '../../native'
import { EVENTS_FILE } from '../training/claimed_folder'
import type { HostMessage, RunEvent } from './events'
import { follow } from './follow'
import type { HostedVerb, SentOptions } from './verbs'

/** What the process is to do. */
export interface Job {
  verb: HostedVerb
  source: string | object
  options: SentOptions
  /** Its stdout and stderr: empty but for what libraries say, and a crash. */
  log: string
}

/** How a process ended. */
export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export class HostProcess {
  /** Once it has ended and all that it said is here. */
  readonly exit: Promise<Exit>
  readonly pid: number
  /** Its stdout and stderr. */
  readonly log: string
  readonly #child: ChildProcess
  readonly #messages: HostMessage[] = []
  readonly #over = new AbortController()
  #wake: () => void = () => {}

  /** Throws ERR_PROCESS where no process can be started, ERR_CONFIG for a config that is no data. */
  static start(job: Omit<Job, 'log'>): HostProcess {
    if (isSingleExecutable()) throw cannotStart('this program is a single executable')
    const log = join(tmpdir(), `tongueforge-${job.verb}-${randomUUID()}.log`)
    try {
      return new HostProcess(started(log), { ...job, log })
    } catch (error) {
      rmSync(log, { force: true })
      throw error
    }
  }

  private constructor(child: ChildProcess, job: Job) {
    this.#child = child
    this.log = job.log
    if (child.pid === undefined) {
      child.once('error', () => {})
      throw cannotStart('the system refuses')
    }
    this.pid = child.pid
    if (isServing()) lowerPriority(this.pid)
    child.on('message', (message: HostMessage) => {
      this.#messages.push(message)
      this.#wake()
    })
    child.on('error', () => {}) // of a message that it did not live to read
    const ended = new Promise<Exit>((done) => {
      child.once('exit', (code, signal) => done({ code, signal }))
    })
    const silent = new Promise<void>((done) => {
      child.once('disconnect', done)
    })
    this.exit = Promise.all([ended, silent]).then(([exit]) => {
      this.#over.abort()
      this.#wake()
      return exit
    })
    try {
      child.send(job)
    } catch (cause) {
      child.kill('SIGKILL')
      throw new TongueforgeError('ERR_CONFIG', `config: expected plain data, ${(cause as Error).message}`, {
        hint: 'Give objects, lists, texts and numbers alone: the config goes to another process.',
        cause,
      })
    }
  }

  /** All that it tells, to its end. */
  async *events(): AsyncGenerator<RunEvent> {
    let heard = 0
    let folder: string | undefined
    for await (const message of this.#received()) {
      if ('event' in message) {
        heard++
        yield message.event
      } else {
        folder = message.folder
        break
      }
    }
    if (folder === undefined) return
    const over = this.#over.signal
    yield* follow(join(folder, EVENTS_FILE), { skip: heard, alive: () => !over.aborted, signal: over })
    for (const message of this.#messages) if ('event' in message) yield message.event
  }

  /** Asks it to save and end. */
  stop(): void {
    this.#child.kill('SIGTERM')
  }

  async *#received(): AsyncGenerator<HostMessage> {
    for (;;) {
      while (this.#messages.length > 0) yield this.#messages.shift()!
      if (this.#over.signal.aborted) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

// A session of its own: neither Ctrl-C nor the end of this process reaches it, and no descriptor of this one goes there.
function started(log: string): ChildProcess {
  let output: number | undefined
  try {
    output = openSync(log, 'a', 0o600)
    const { NODE_OPTIONS: _, ...env } = process.env // no debugger and no preloads: they are this process's
    return spawn(process.execPath, [...heapFlags(), join(__dirname, 'host.js')], {
      detached: true,
      stdio: ['ignore', output, output, 'ipc'],
      serialization: 'advanced', // numbers that are none reach the checks of the config
      env: { ...env, ELECTRON_RUN_AS_NODE: '1' },
    })
  } catch (cause) {
    throw cannotStart((cause as Error).message, cause)
  } finally {
    if (output !== undefined) closeSync(output)
  }
}

// As that of jobs in a process that serves.
function lowerPriority(pid: number): void {
  const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority
  try {
    setPriority(pid, Math.min(getPriority() + PRIORITY_BELOW_NORMAL, PRIORITY_LOW))
  } catch {} // it has ended, or the system forbids it: then it works as it would
}

function heapFlags(): string[] {
  const given = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(' ')]
  return given.filter((flag) => /^--max[-_](old|semi)[-_]space[-_]size=/.test(flag))
}

function cannotStart(why: string, cause?: unknown): TongueforgeError {
  return new TongueforgeError('ERR_PROCESS', `no process could be started for the run: ${why}`, {
    hint: '{ ownProcess: false } works in this process, which a crash of native code would then end.',
    cause,
  })
}
