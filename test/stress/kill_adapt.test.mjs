// An adaptation through the command, ended by force at any instant: --resume goes on to the very bytes of an undisturbed
// run, and no model folder is ever half written.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { adapt } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { checkModels, killedRuns, starter, undisturbed } from '../helpers/killed_runs.mjs'
import { report, rounds } from '../helpers/stress.mjs'
import { tinyAdaptation } from '../helpers/tiny_adaptation.mjs'
import { lastingFiles } from '../helpers/tiny_compression.mjs'

const home = temporaryFolder()
const run = join(home, 'run')
const configFile = join(home, 'config.yaml')
const given = await tinyAdaptation(join(home, 'inputs'))
const compress = { calibration: { samples: 8, sequence_length: 48 }, stages: [{ method: 'rows', keep: 64 }] }
const arms = ['inscp', 'cp_vector', 'cp_sft_dpo']
const config = { ...given, out: run, arms, compress }
writeFileSync(configFile, JSON.stringify(config)) // JSON is YAML too

const start = starter('adapt', [configFile])
const results = () => ['model', 'compressed'].map((name) => lastingFiles(join(run, name)))

const { time, told } = await undisturbed(start)
const expected = { files: results(), rows: told.results }
rmSync(run, { recursive: true })

test('kill -9 at any instant, also of a resumed run', async (t) => {
  const count = rounds({ quick: 1, full: 30 })
  const { kills, resumed } = await killedRuns(count, {
    ...{ start, run, time },
    checkKilled: () => checkModels(run),
    checkEnded({ results: rows, done, stages }) {
      assert.deepEqual(results(), expected.files)
      assert.deepEqual(rows, expected.rows)
      return done < stages.length
    },
  })
  report(t, `${kills} kills in ${count} runs of ${Math.round(time)} ms, ${resumed} resumed after a stage`)
})

test('stopped at any event, it goes on to the same bytes', async (t) => {
  let all = 0
  for await (const _ of adapt(config)) all++
  rmSync(run, { recursive: true })
  const stops = rounds({ quick: 2, full: all - 1 })
  for (let i = 0; i < stops; i++) {
    const at = Math.round(1 + (i * (all - 2)) / Math.max(1, stops - 1))
    const abort = new AbortController()
    const reason = new Error(`event ${at}`)
    let events = 0
    await assert.rejects(async () => {
      for await (const _ of adapt(config, { signal: abort.signal })) if (++events === at) abort.abort(reason)
    }, reason)
    await adapt(config, { resume: true }).result
    assert.deepEqual(results(), expected.files, `event ${at}`)
    rmSync(run, { recursive: true })
  }
  report(t, `${stops} stops at ${all} events`)
})
