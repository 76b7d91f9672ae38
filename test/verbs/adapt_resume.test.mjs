// An adaptation that is stopped, at any stage and within one, goes on to the very bytes of an undisturbed run.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { adapt } from 'tongueforge'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyAdaptation } from '../helpers/tiny_adaptation.mjs'
import { lastingFiles } from '../helpers/tiny_compression.mjs'

describe('an adaptation that is stopped', () => {
  const root = temporaryFolder()
  const out = join(root, 'run')
  let config
  let expected
  const results = () =>
    Object.fromEntries(['model', 'compressed'].map((name) => [name, lastingFiles(join(out, name))]))
  const told = () => {
    const { results: rows, pick, inputs_sha256 } = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'))
    return { rows, pick, inputs_sha256 }
  }
  /** Runs until an event comes that fits. */
  const stoppedAt = async (fits) => {
    const abort = new AbortController()
    const reason = new Error('stopped')
    let kept = 0
    const run = adapt(config, { signal: abort.signal, onKept: () => kept++ })
    await assert.rejects(async () => {
      for await (const event of run) if (fits(event)) abort.abort(reason)
    }, reason)
    assert.ok(kept > 0)
    assert.ok(!existsSync(join(out, 'model')), 'no result yet')
  }
  const resumed = async (what) => {
    const { done } = await adapt(config, { resume: true }).result
    assert.deepEqual(results(), expected.files, what)
    assert.deepEqual(told(), expected.told, what)
    rmSync(out, { recursive: true })
    return done
  }
  before(async () => {
    const given = await tinyAdaptation(join(root, 'inputs'))
    const compress = {
      calibration: { samples: 4, sequence_length: 48 },
      stages: [
        { method: 'rows', keep: 64 },
        { method: 'recover', steps: 2, sequence_length: 48 },
      ],
    }
    const training = { ...given.training, steps: 3, checkpoint: { every: 1 } }
    config = { ...given, out, training, arms: ['inscp', 'cp_vector'], compress }
    await adapt(config).result
    expected = { files: results(), told: told() }
    rmSync(out, { recursive: true })
  })

  test('by a signal in the middle of a training: exit 75, the command that goes on, and then the same bytes', async () => {
    const file = join(root, 'config.yaml')
    writeFileSync(file, JSON.stringify(config))
    const stop = (child) =>
      child.stderr.on('data', (text) => {
        if (/"step":2,.*"stage":"base-cp"/.test(text)) child.kill('SIGTERM')
      })
    const { code, err } = await cli(['adapt', file], { onStart: stop })
    assert.equal(code, 75, err)
    assert.match(err, /npx tongueforge adapt .*config\.yaml --resume/)
    // Where something was cut short before it was a run, it is begun anew.
    for (const name of ['cp_vector-vector', 'cp_vector-evaluate']) {
      if (existsSync(join(out, 'stages', name))) continue // heard late
      mkdirSync(join(out, 'stages', name))
      writeFileSync(join(out, 'stages', name, 'results.jsonl'), 'half a li')
    }
    const done = await resumed('in a training')
    assert.ok(done <= 5 && done >= 2, `${done} stages were left`)
  })

  test('stopped in compression, it goes on to the same bytes', async () => {
    await stoppedAt(({ event, stage }) => event === 'step' && stage === 'compress')
    assert.equal(await resumed('in compression'), 2)
  })
})
