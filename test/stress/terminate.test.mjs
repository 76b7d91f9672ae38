// Worker threads end by terminate() at any instant while the addon loads and works in them, whatever the job, and leave
// nothing behind.
import assert from 'node:assert/strict'
import { extname } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { full, quantiles, report, rounds, runProgram, seed, spread } from '../helpers/stress.mjs'
import { writeInputs } from './jobs/inputs.mjs'

const count = rounds({ quick: 12, full: 1500 })
const START_UP = 500 // ms in which a worker loads libtorch and starts its first job
const LIMIT = 500 // ms that terminate() may take
const inputs = await writeInputs(temporaryFolder())
const settings = { deadline: 3_600_000, nodeOptions: ['--expose-gc'] }

/** How many open files are of a kind: their ending, or what stands in a path's place (pipe, socket, anon_inode). */
function tally(files) {
  const counts = {}
  for (const name of files) {
    const kind = name.startsWith('/') ? extname(name) || name : name.split(':')[0]
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

for (const [where, loadInMain] of [
  ['in the main thread too', true],
  ['in workers only', false],
]) {
  test(`${count} workers are terminated, the addon loaded ${where}`, async (t) => {
    const options = { count, seed, inputs, loadInMain, startUp: START_UP }
    const { times, running, kinds, before, after, files } = await runProgram(
      'terminate_workers.mjs',
      options,
      settings,
    )
    const told = `${times.length} terminated, ${running} of them at work of ${Object.keys(kinds).length} kinds`
    report(t, `${told}: ${spread(times)}`)
    report(t, JSON.stringify({ before, after }))
    report(t, `open: ${JSON.stringify(tally(files))}`)
    const { jobs, objects } = after
    assert.deepEqual({ jobs, objects }, { jobs: 0, objects: {} })
    assert.deepEqual(after.tensors, before.tensors)
    // Node keeps open what a worker was about to import when it was terminated: scripts. Ours keep nothing.
    assert.deepEqual(
      files.filter((name) => /\.(safetensors|bin|pt|wav|npy)$|\/(scratch|\.tmp)/.test(name)),
      [],
    )
    if (full) assert.ok(quantiles(times).max < LIMIT, spread(times))
  })
}
