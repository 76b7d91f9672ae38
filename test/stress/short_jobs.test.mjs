// Short jobs of every kind leave nothing behind: no memory, no tensor, no native object, no thread, no open file.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { holdings, leak, warm } from '../helpers/process_state.mjs'
import { full, random, report, rounds, runProgram, seed } from '../helpers/stress.mjs'
import { drawn, KINDS, SHORT } from './jobs/index.mjs'
import { writeInputs } from './jobs/inputs.mjs'

const LIMIT = 240 // bytes a job: 1 MB an hour for a server that does 100,000 jobs a day
const inputs = await writeInputs(temporaryFolder())
// Garbage that V8 has not yet collected is no leak: little room for it makes a leak stand out.
const settings = { deadline: 7_200_000, nodeOptions: ['--expose-gc', '--max-semi-space-size=1'] }

async function run(t, kinds, count) {
  const { samples, ms, after } = await runProgram('short_jobs.mjs', { count, kinds, inputs }, settings)
  const later = warm(samples)
  const { upper, text } = leak(later)
  report(t, `${count} jobs of ${kinds.length} kinds, ${(ms / count).toFixed(2)} ms each; ${text}`)
  assert.deepEqual(holdings(later.at(-1)), holdings(later[0]))
  assert.deepEqual({ jobs: after.jobs, objects: after.objects }, { jobs: 0, objects: {} })
  return upper
}

const many = rounds({ quick: 80, full: 100_000 })
test(`${many} short jobs`, async (t) => {
  const upper = await run(t, SHORT, many)
  if (full) assert.ok(upper < LIMIT, `RSS grows by up to ${upper} bytes a job`)
})

const others = KINDS.filter((kind) => !SHORT.includes(kind))
const long = drawn(others, rounds({ quick: 3, full: others.length }), random(seed))
const some = long.length * rounds({ quick: 4, full: 100 })
test(`${some} longer jobs of ${long.length} kinds`, async (t) => {
  await run(t, long, some)
})
