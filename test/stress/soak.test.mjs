// The soak in short: a server that trains, serves, swaps, loses clients and refuses, all at once. Its hour is
// `node test/stress/soak.mjs --minutes 60`, on a machine that does nothing else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { report, rounds, seed } from '../helpers/stress.mjs'
import { soak, summary } from './soak.mjs'

const home = temporaryFolder()
const seconds = rounds({ quick: 12, full: 300 })

test(`a server under everything at once for ${seconds} s`, async (t) => {
  const figures = await soak({ home, seconds, clients: 8, seed })
  report(t, summary(figures))
  const { counts, trainings, mismatches, after } = figures
  assert.equal(mismatches, 0)
  for (const [what, count] of Object.entries({ ...counts, ...trainings }))
    assert.ok(count > 0 || what === 'stopped', `no ${what}`)
  assert.deepEqual({ jobs: after.jobs, objects: after.objects }, { jobs: 0, objects: {} })
})
