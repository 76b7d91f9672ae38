// Compression through the command, ended by force at any instant: --resume goes on to the very bytes of an undisturbed
// run, and no model folder is ever half written.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { checkModels, killedRuns, starter, undisturbed } from '../helpers/killed_runs.mjs'
import { report, rounds } from '../helpers/stress.mjs'
import { lastingFiles, tinyCompression } from '../helpers/tiny_compression.mjs'

const home = temporaryFolder()
const STAGES = [
  { method: 'rows', keep: 64 },
  { method: 'recover', steps: 4 },
  { method: 'prune', criterion: 'sparsegpt', sparsity: 0.5 },
]
const run = join(home, 'run')
const configFile = join(home, 'config.yaml')
const config = await tinyCompression(join(home, 'inputs'))
writeFileSync(configFile, JSON.stringify({ ...config, out: run, stages: STAGES })) // JSON is YAML too

const start = starter('compress', [configFile])
const { time } = await undisturbed(start)
const expected = lastingFiles(join(run, 'model'))
rmSync(run, { recursive: true })

test('kill -9 at any instant, also of a resumed run', async (t) => {
  const count = rounds({ quick: 2, full: 30 })
  const { kills, resumed } = await killedRuns(count, {
    ...{ start, run, time },
    checkKilled: () => checkModels(run),
    checkEnded({ report: told }) {
      assert.deepEqual(lastingFiles(join(run, 'model')), expected)
      assert.equal(told.stages.length, STAGES.length + 1)
      return Boolean(told.resumed_after)
    },
  })
  report(t, `${kills} kills in ${count} runs of ${Math.round(time)} ms, ${resumed} resumed after a stage`)
})
