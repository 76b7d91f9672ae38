// What a process holds, and whether it grows.
import { readdirSync, readlinkSync } from 'node:fs'
import { stats } from 'tongueforge'
import { sleep } from './stress.mjs'

/** Bytes of garbage are no leak. Needs --expose-gc; finalizers of native objects run a turn later. */
export async function collected() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await new Promise((done) => setImmediate(done))
  }
  return stats()
}

/** The same once nothing is held that was not held before; what is left after some seconds, else. Threads close files late. */
export async function settled(before, seconds = 5) {
  const held = ({ jobs, objects, tensors, open_files }) =>
    JSON.stringify([jobs, objects, tensors, open_files])
  const end = performance.now() + 1000 * seconds
  for (;;) {
    const now = await collected()
    if (held(now) === held(before) || performance.now() > end) return now
    await sleep(50)
  }
}

/** What must be the same before and after jobs: all but the memory of the process, which wanders. */
export function holdings({ jobs, objects, tensors, threads, open_files }) {
  return { jobs, objects, tensors, threads, open_files }
}

/** Least-squares slope of [x, y] and the half width of its 95 % interval (normal errors, many points). */
export function slope(points) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [x, y] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))]
  const spread = points.reduce((sum, [px]) => sum + (px - x) ** 2, 0)
  const value = points.reduce((sum, [px, py]) => sum + (px - x) * (py - y), 0) / spread
  const rest = points.reduce((sum, [px, py]) => sum + (py - y - value * (px - x)) ** 2, 0)
  return { value, margin: 1.96 * Math.sqrt(rest / (points.length - 2) / spread) }
}

/** Samples after the share of them in which allocators and code caches still fill. */
export const warm = (samples, share = 0.3) => samples.slice(Math.floor(share * samples.length))

/**
 * The slope of resident memory over [{job, resident_bytes}], in words: bytes a job, and MB an hour for a server that does
 * 100,000 jobs a day.
 */
export function leak(samples) {
  const { value, margin } = slope(samples.map(({ job, resident_bytes }) => [job, resident_bytes]))
  const hourly = (bytes) => ((bytes * 100_000) / 24 / 1e6).toFixed(3)
  const text =
    `RSS ${(samples[0].resident_bytes / 2 ** 20).toFixed(1)} -> ${(samples.at(-1).resident_bytes / 2 ** 20).toFixed(1)} MiB, ` +
    `slope ${value.toFixed(1)} bytes a job, upper 95 % bound ${(value + margin).toFixed(1)} ` +
    `(${hourly(value)}, ${hourly(value + margin)} MB an hour at 100,000 jobs a day)`
  return { value, upper: value + margin, text }
}

/** What the open files are: paths, and kinds of what has none. */
export function openFiles() {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return [] // closed meanwhile
    }
  })
}
