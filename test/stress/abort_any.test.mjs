// Every kind of job is aborted at any instant: it rejects with the reason of its signal or gives the right answer, the job
// after it is right, and nothing is left behind. abort.test.mjs looks closer at some of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { random, report, rounds, runProgram, seed, spread } from '../helpers/stress.mjs'
import { drawn, KINDS } from './jobs/index.mjs'
import { writeInputs } from './jobs/inputs.mjs'

const count = rounds({ quick: 2, full: 60 })
const tried = drawn(KINDS, rounds({ quick: 12, full: KINDS.length }), random(seed))

const inputs = await writeInputs(temporaryFolder())

test(`${tried.length} kinds of jobs are aborted ${count} times each`, async (t) => {
  const settings = { deadline: 3_600_000, nodeOptions: ['--expose-gc'] }
  const { kinds, before, after } = await runProgram(
    'abort_any.mjs',
    { count, seed, inputs, kinds: tried },
    settings,
  )
  const all = Object.values(kinds)
  const sum = (key) => all.reduce((total, kind) => total + kind[key], 0)
  const latencies = all.flatMap((kind) => kind.latencies)
  report(t, `${all.length} kinds: ${sum('aborted')} aborted, ${sum('ended')} were over; ${spread(latencies)}`)
  const { jobs, objects, open_files } = after
  assert.deepEqual({ jobs, objects, open_files }, { jobs: 0, objects: {}, open_files: before.open_files })
})
