// What every script here shows while it works: one line and a timer a step, a bar for long ones. On a terminal the
// line is redrawn in place; elsewhere a line when a step starts, one every ten seconds, one when it ends.
// Plain Node without dependencies: this runs before npm ci.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { availableParallelism, constants, totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')

const screen = process.stderr
const QUIET_PACE = 10_000 // ms between lines where no terminal redraws them

/** A failure with what to do about it: `runScript` prints it without a stack. */
export class StepError extends Error {
  constructor(message, { hint, output } = {}) {
    super(message)
    Object.assign(this, { hint, output })
  }
}

/** A signal came while a command ran: `runScript` ends with this code, and nothing further is begun. */
class Stopped extends Error {
  constructor(exitCode) {
    super('stopped')
    this.exitCode = exitCode
  }
}

/**
 * Runs one step. `upToDate` says whether there is nothing to do (a string: what was found); `run(report)` does it,
 * calling report({ done, total, note }) as often as it likes, and may return a note for the final line.
 */
export async function step(title, { doing = '', upToDate = () => false, run }) {
  const line = new StepLine(title, doing)
  const found = await upToDate()
  if (found) return line.end(found === true ? 'up to date' : found)
  line.begin()
  try {
    const note = await run((progress) => line.update(progress))
    line.end([seconds(line.elapsed()), note].filter(Boolean).join(', '))
  } catch (error) {
    line.end(`failed after ${seconds(line.elapsed())}`)
    throw error
  }
}

class StepLine {
  constructor(title, doing) {
    Object.assign(this, { title, doing, started: performance.now(), progress: {}, printed: 0 })
  }

  elapsed() {
    return performance.now() - this.started
  }

  begin() {
    this.draw(true)
    this.timer = setInterval(() => this.draw(), 200)
    this.timer.unref()
  }

  update(progress) {
    this.progress = progress
  }

  draw(first = false) {
    if (!screen.isTTY && !first && this.elapsed() - this.printed < QUIET_PACE) return
    this.printed = this.elapsed()
    const { done, total, note = this.doing } = this.progress
    const parts = first ? [] : [seconds(this.printed)]
    if (total > 0) parts.push(screen.isTTY ? bar(done / total) : `${Math.floor((100 * done) / total)} %`)
    this.write([...parts, note].filter(Boolean).join('  '), screen.isTTY ? '' : '\n')
  }

  end(outcome) {
    clearInterval(this.timer)
    this.write(outcome, '\n')
  }

  write(text, ending) {
    const line = `  ${this.title.padEnd(14)} ${text}`
    screen.write(
      screen.isTTY ? `\r\x1b[K${line.slice(0, (screen.columns ?? 80) - 1)}${ending}` : line + ending,
    )
  }
}

function bar(share, width = 24) {
  const filled = Math.round(width * Math.min(1, share))
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${String(Math.floor(100 * Math.min(1, share))).padStart(3)} %`
}

export function seconds(ms) {
  const whole = Math.round(ms / 1000)
  return ms < 59_500 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
}

/** Runs a command and hears its lines; resolves with all it said, rejects with a StepError that holds it. */
export function capture(command, args, { onLine = () => {}, failure, hint, ...options } = {}) {
  return new Promise((done, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      let rest = ''
      stream.setEncoding('utf8').on('data', (chunk) => {
        output += chunk
        const lines = (rest + chunk).split('\n')
        rest = lines.pop()
        lines.forEach(onLine)
      })
    }
    child.on('error', () => reject(new StepError(`${command} was not found`, { hint })))
    child.on('close', (code) => {
      if (code === 0) return done(output)
      reject(new StepError(failure ?? `${command} ended with code ${code}`, { hint, output }))
    })
  })
}

/** Compilers at a time. One of ours takes up to 1.5 GB: more of them than fit would make the machine swap. */
export function compilerJobs() {
  const wanted = Number(process.env.CMAKE_BUILD_PARALLEL_LEVEL)
  return wanted || Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 1.5e9)))
}

/** Builds what CMake has configured in a folder; `report` hears how many of its steps are done. */
export function compile(folder, { failure, report }) {
  return capture('cmake', ['--build', folder, '--parallel', String(compilerJobs())], {
    failure,
    onLine: (line) => {
      const at = /^\[(\d+)\/(\d+)\]/.exec(line)
      if (at) report({ done: Number(at[1]), total: Number(at[2]) })
    },
  })
}

/**
 * Runs a command on this terminal, with Ctrl-C left to it; resolves with its exit code, but throws where a signal came: what
 * was to follow does not. `onOutput` hears it as well.
 */
export function hand(command, args, { onOutput, ...options } = {}) {
  return new Promise((done, reject) => {
    const stdio = ['inherit', onOutput ? 'pipe' : 'inherit', 'inherit']
    const child = spawn(command, args, { cwd: root, stdio, ...options })
    child.stdout?.on('data', (chunk) => {
      process.stdout.write(chunk)
      onOutput(chunk)
    })
    let received
    const hear = (signal) => {
      received = signal
      if (signal === 'SIGTERM') child.kill(signal) // Ctrl-C the terminal sends to the child as well: it decides how to end
    }
    process.on('SIGINT', hear).on('SIGTERM', hear)
    child.on('error', reject)
    const end = (code) => {
      process.off('SIGINT', hear).off('SIGTERM', hear)
      if (received) return reject(new Stopped(code || 128 + constants.signals[received]))
      done(code ?? 1)
    }
    child.on('close', (code) => setImmediate(end, code)) // its end may be told before the signal that both received
  })
}

/** A hash over the names and contents of files and folders, and over any facts given as text. */
export function fingerprint(paths, ...facts) {
  const hash = createHash('sha256')
  for (const file of paths.flatMap((path) => filesUnder(path)))
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0')
  return hash.update(facts.join('\0')).digest('hex')
}

/** Every file under a path of the project, sorted, as paths from its root; nothing where the path does not exist. */
export function filesUnder(path, keep = () => true) {
  const found = statSync(join(root, path), { throwIfNoEntry: false })
  if (!found) return []
  if (!found.isDirectory()) return keep(path) ? [path] : []
  return readdirSync(join(root, path))
    .sort()
    .flatMap((name) => filesUnder(`${path}/${name}`, keep))
}

/** The content of a small file, or undefined. */
export function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

/** Makes a folder and those above it. Node's own recursion never ends where a file system takes no folders (/proc). */
export function makeFolders(path) {
  try {
    mkdirSync(path)
  } catch (error) {
    const above = dirname(path)
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
    if (error.code !== 'ENOENT' || statSync(above, { throwIfNoEntry: false })) throw error
    makeFolders(above)
    makeFolders(path)
  }
}

/** Runs the body of a script: its number becomes the exit code, its failure a message and exit code 1. */
export async function runScript(body) {
  try {
    process.exitCode = (await body()) ?? 0
  } catch (error) {
    process.exitCode = error.exitCode ?? 1
    if (error instanceof Stopped) return
    if (error.output) screen.write(`\n${error.output.trimEnd()}\n`)
    screen.write(`\nerror: ${error instanceof StepError || error.code ? error.message : error.stack}\n`)
    if (error.hint) screen.write(`  hint: ${error.hint}\n`)
  }
}

/** Whether this file is the script that was started, not an import of another one. */
export function isMain(meta) {
  const started = process.argv[1]
  // By whatever links it was named: the address of a module has none.
  return started !== undefined && existsSync(started) && realpathSync(started) === fileURLToPath(meta.url)
}
