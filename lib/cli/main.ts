#!/usr/bin/env node
// The command `tongueforge`: reads the command line, runs one verb, says how it ended. The only file that exits.
import { TongueforgeError, toTongueforgeError } from '../errors'
import { failureText, jsonText } from './print'
import { readCommandLine } from './program'
import { Progress } from './progress'
import type { Io } from './verb'

const EXIT = { done: 0, failed: 1, usage: 2, resumable: 75, interrupted: 130 } as const
const USAGE_CODES = ['ERR_USAGE', 'ERR_CONFIG', 'ERR_MODEL_CONFIG']

async function main(argv: string[]): Promise<number> {
  const abort = new AbortController()
  const flags = argv.slice(0, [...argv, '--'].indexOf('--'))
  const io = makeIo(abort.signal, { json: flags.includes('--json'), quiet: flags.includes('--quiet') })
  const stop = (signal: NodeJS.Signals) =>
    abort.abort(new TongueforgeError('ERR_INTERRUPTED', `stopped by ${signal}`))
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      if (abort.signal.aborted) process.exit(EXIT.interrupted) // the second one: now
      stop(signal)
    })
  process.on('SIGHUP', () => {
    terminalIsGone = true
    stop('SIGHUP') // which shell and kernel may both tell
  })
  try {
    const request = readCommandLine(argv)
    return (await request?.verb.run(request.args, request.values, io)) ?? EXIT.done
  } catch (thrown) {
    const error = toTongueforgeError(thrown)
    io.end()
    if (io.json) io.write(jsonText({ error }))
    else process.stderr.write(failureText(error))
    return exitCode(error, abort.signal)
  }
}

function makeIo(signal: AbortSignal, { json, quiet }: { json: boolean; quiet: boolean }): Io {
  const progress = new Progress(process.stderr, { silent: quiet })
  let openLine = false
  return {
    json,
    quiet,
    colour: process.stdout.isTTY === true && !process.env.NO_COLOR,
    signal,
    progress,
    write: (text) => {
      process.stdout.write(text)
      if (text !== '') openLine = !text.endsWith('\n')
    },
    say: (line) => {
      if (quiet || json) return
      progress.end()
      process.stderr.write(`${line}\n`)
    },
    end: () => {
      progress.end()
      if (openLine && process.stdout.isTTY) process.stdout.write('\n')
    },
  }
}

// Of several processes that train together, one may be stopped by what another was sent.
function exitCode(error: TongueforgeError, signal: AbortSignal): number {
  if (signal.aborted || error.code === 'ERR_INTERRUPTED')
    return error.details.resumable === true ? EXIT.resumable : EXIT.interrupted
  return USAGE_CODES.includes(error.code) ? EXIT.usage : EXIT.failed
}

let terminalIsGone = false

// A reader that has seen enough (`| head`) is no failure; work whose terminal was closed has still to be saved.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (terminalIsGone) return
  if (error.code === 'EPIPE') process.exit(EXIT.done)
  throw error
})

// What a log cannot take (`2>&1 | head`, a full disk) is lost, and is no reason to lose the work as well.
process.stderr.on('error', () => {})

// process.exit() drops what a slow reader has not taken yet.
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((done) => stream.write('', () => done()))
}

main(process.argv.slice(2)).then(async (code) => {
  await Promise.all([flushed(process.stdout), flushed(process.stderr)])
  process.exit(code)
})
