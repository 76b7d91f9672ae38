// What the stress tests share: how often, at which instants, by when, and the figures they report.
// TONGUEFORGE_STRESS=full runs every round (npm run test:stress); otherwise a quick share. TONGUEFORGE_SEED repeats
// the instants of an earlier run, as far as a loaded machine can.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/** Timed assertions hold for a machine that does nothing else, hence in full runs only. */
export const full = process.env.TONGUEFORGE_STRESS === 'full'

/** The number of rounds of this run. */
export const rounds = ({ quick, full: all }) => (full ? all : quick)

export const seed = Number(process.env.TONGUEFORGE_SEED ?? Date.now() % 1e6)

/** Numbers from 0 to below 1 that depend on the seed alone (mulberry32). */
export function random(start = seed) {
  let state = start | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

/** Rejects if `promise` has not settled in time: a hang is a failure like any other. */
export async function withDeadline(promise, what, ms = 60_000) {
  let timer
  const late = new Promise((_done, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not over after ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Calls `body(i)` for i from 0 to below `count`, some at a time. */
export async function inLanes(count, lanes, body) {
  let next = 0
  const lane = async () => {
    while (next < count) await body(next++)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

/** `p50 3 ms, p99 12 ms, max 15 ms` of a list of milliseconds. */
export function spread(times) {
  const { p50, p99, max } = quantiles(times)
  return `p50 ${ms(p50)}, p99 ${ms(p99)}, max ${ms(max)}`
}

const ms = (time) => `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`

export function quantiles(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? Number.NaN }
}

const folder = join(dirname(fileURLToPath(import.meta.url)), '../stress')

/**
 * Starts a program of test/stress with JSON arguments. `ended` resolves with {code, signal, out, err}; a process
 * that outlives the deadline is killed, and `ended` rejects.
 */
export function startProgram(name, options, { deadline = 60_000, nodeOptions = [] } = {}) {
  const args = [...nodeOptions, join(folder, name), JSON.stringify(options)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  return { child, ended: endOf(child, `${name} ${JSON.stringify(options)}`, deadline) }
}

/** How a child process ends; see startProgram. Its stdout and stderr are pipes. */
export async function endOf(child, what, deadline = 60_000) {
  const closed = new Promise((done, reject) =>
    child.on('error', reject).on('close', (code, signal) => done({ code, signal })),
  )
  const whole = Promise.all([closed, text(child.stdout), text(child.stderr)])
  try {
    const [{ code, signal }, out, err] = await withDeadline(whole, what, deadline)
    return { code, signal, out, err }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

/** Runs a program of test/stress to a good end; resolves with the JSON that it printed. */
export async function runProgram(name, options, settings) {
  const { code, signal, out, err } = await startProgram(name, options, settings).ended
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, `${name} (seed ${seed}):\n${err}\n${out}`)
  return JSON.parse(out)
}

/** Says on one line what a test has seen; shown with the test's result. */
export function report(t, line) {
  t.diagnostic(`${line} (seed ${seed})`)
}
