// An adaptation that is stopped at any of its events goes on to the very bytes and results of an undisturbed run.
// kill_verbs.test.mjs has the ends by force.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { adapt } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { report, rounds } from '../helpers/stress.mjs'
import { tinyAdaptation } from '../helpers/tiny_adaptation.mjs'
import { lastingFiles } from '../helpers/tiny_compression.mjs'

const home = temporaryFolder()
const run = join(home, 'run')
const given = await tinyAdaptation(join(home, 'inputs'))
const compress = { calibration: { samples: 8, sequence_length: 48 }, stages: [{ method: 'rows', keep: 64 }] }
const arms = ['inscp', 'cp_vector', 'cp_sft_dpo']
const config = { ...given, out: run, arms, compress }
const results = () => ['model', 'compressed'].map((name) => lastingFiles(join(run, name)))

test('stopped at any event, it goes on to the same bytes', async (t) => {
  let all = 0
  const undisturbed = adapt(config)
  for await (const _ of undisturbed) all++
  const expected = { files: results(), rows: (await undisturbed.result).results }
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
    const { results: rows } = await adapt(config, { resume: true }).result
    assert.deepEqual({ files: results(), rows }, expected, `event ${at}`)
    rmSync(run, { recursive: true })
  }
  report(t, `${stops} stops at ${all} events`)
})
