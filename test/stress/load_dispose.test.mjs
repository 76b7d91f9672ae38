// Models that are loaded and disposed of leave nothing behind: no memory, no thread, no open file.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { full, report, rounds, runProgram } from '../helpers/stress.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const count = rounds({ quick: 200, full: 10_000 })
const WARM_UP = 0.3 // share of the cycles in which allocators and code caches still fill

const LIMIT = 500 // bytes a cycle

/** Least-squares slope of y over x and the half width of its 95 % interval (normal errors, many points). */
function slope(points) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [x, y] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))]
  const spread = points.reduce((sum, [px]) => sum + (px - x) ** 2, 0)
  const value = points.reduce((sum, [px, py]) => sum + (px - x) * (py - y), 0) / spread
  const rest = points.reduce((sum, [px, py]) => sum + (py - y - value * (px - x)) ** 2, 0)
  return { value, margin: 1.96 * Math.sqrt(rest / (points.length - 2) / spread) }
}

test(`${count} models are loaded and disposed of in flat memory`, async (t) => {
  const folder = await writeTinyModel(join(temporaryFolder(), 'model'))
  // Garbage that V8 has not yet collected is no leak: little room for it makes a leak stand out.
  const settings = { deadline: 1_800_000, nodeOptions: ['--expose-gc', '--max-semi-space-size=1'] }
  const { samples, ms } = await runProgram('load_dispose.mjs', { count, folder }, settings)
  const warm = samples.slice(Math.floor(WARM_UP * samples.length))
  const { value, margin } = slope(warm.map(({ cycle, rss }) => [cycle, rss]))
  const [first, last] = [warm[0], warm.at(-1)]
  report(
    t,
    `${count} cycles of ${(ms / count).toFixed(2)} ms; RSS ${first.rss >> 20} -> ${last.rss >> 20} MiB, ` +
      `slope ${value.toFixed(1)} bytes a cycle, upper 95 % bound ${(value + margin).toFixed(1)}; ` +
      `threads ${first.threads} -> ${last.threads}, files ${first.files} -> ${last.files}`,
  )
  assert.equal(last.threads, first.threads, 'threads')
  assert.equal(last.files, first.files, 'open files')
  // A leaked model would be half a million bytes a cycle, a leaked job some hundreds. RSS itself wanders by a
  // megabyte: over 100,000 cycles the slope was 10 bytes.
  if (full) assert.ok(value + margin < LIMIT, `RSS grows by ${value} +- ${margin} bytes a cycle`)
})
