// The process of a run: what spawn.ts starts, in a session of its own, so that it goes on where the process that has
// started it ends. Told by message what to do; tells by message and in the folder of the run. SIGTERM and SIGINT stop
// the run, which saves what can be gone on from; a second one ends the process at once.
import { subscribe } from 'node:diagnostics_channel'
import { rmSync } from 'node:fs'
import { TongueforgeError, toTongueforgeError } from '../../errors'
import { HELD_CHANNEL } from '../training/claimed_folder'
import { type HostMessage, Teller, type ToldFailure } from './events'
import type { Job } from './spawn'
import { HOSTED } from './verbs'

const EXIT = { done: 0, failed: 1, interrupted: 130 } as const

process.once('message', (job: Job) => {
  process.removeListener('disconnect', nobodyAsks)
  void host(job)
})
process.once('disconnect', nobodyAsks)

/** Whoever started this process has ended before it could say what for. */
function nobodyAsks(): void {
  process.exit(EXIT.failed)
}

async function host({ verb, source, options, log }: Job): Promise<void> {
  const signal = stopSignal()
  const teller = new Teller(verb, log, send)
  subscribe(HELD_CHANNEL, (folder) => teller.open(folder as string))
  let code: number = EXIT.done
  try {
    const run = HOSTED[verb].start(source, {
      ...options,
      signal,
      onWarning: (message) => teller.tell({ event: 'warning', message }),
      onNote: (message) => teller.tell({ event: 'note', message }),
      onProgress: (progress) => teller.tell({ event: 'progress', progress }),
    })
    const result = await heard(run, (item) => {
      if (item) teller.tell({ event: 'item', item })
      teller.kept(HOSTED[verb].kept(run))
    })
    teller.end({ event: 'done', result })
  } catch (thrown) {
    code = EXIT.failed
    teller.end({ event: 'failed', error: failureOf(thrown) })
  }
  rmSync(log, { force: true }) // holds only what a crash leaves
  await flushed()
  process.exit(code)
}

/** Hears a run to its end, and once more then: a run that is stopped saves after its last item. */
async function heard<Result>(
  run: AsyncIterable<object> & { result: Promise<Result> },
  hear: (item?: object) => void,
): Promise<Result> {
  try {
    for await (const item of run) hear(item)
    return await run.result
  } finally {
    hear()
  }
}

function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(EXIT.interrupted)
      stop.abort(new TongueforgeError('ERR_INTERRUPTED', `stopped by ${signal}`))
    })
  }
  process.on('SIGHUP', () => {}) // it has no terminal to lose
  return stop.signal
}

function failureOf(thrown: unknown): ToldFailure {
  const error = toTongueforgeError(thrown)
  const { code, message, hint } = error
  const stack = code === 'ERR_INTERNAL' ? (thrown as Error | undefined)?.stack : undefined
  return { code, message, hint, details: plain(error.details), stack }
}

/** Details may hold what is no data. */
function plain(details: object): Record<string, unknown> {
  try {
    return JSON.parse(JSON.stringify(details)) as Record<string, unknown>
  } catch {
    return {}
  }
}

// Whoever started this process may be gone: the folder has what was told.
function send(message: HostMessage): void {
  if (process.connected) process.send!(message, undefined, undefined, () => {})
}

function flushed(): Promise<void> {
  return new Promise((done) => {
    if (!process.connected) return done()
    process.once('disconnect', done)
    process.disconnect()
  })
}
