// What training computes in, and how it updates.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { inspect, train } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

describe('the numerics of training', () => {
  const root = temporaryFolder()
  let base
  let made = 0
  const config = (changes) => ({ ...base, out: join(root, `run-${made++}`), ...changes })
  const weights = (run) => readFileSync(join(run, 'model', 'model.safetensors'))
  const finish = async (options, more) => ({ ...(await train(options, more).result), out: options.out })

  /** Stops after update `at`, resumes, and returns where the result lies. */
  const interrupted = async (options, at) => {
    const stop = new AbortController()
    const run = train(options, { signal: stop.signal })
    await assert.rejects(async () => {
      for await (const { step } of run) if (step >= at) stop.abort(new Error('enough'))
    }, /enough/)
    const { report } = await finish(options, { resume: true })
    assert.ok(report.resumed_from >= at)
    return options.out
  }

  before(async () => {
    base = await tinyTraining(join(root, 'inputs'), { steps: 12 })
  })

  test('bfloat16 learns as float32 does, saves 16 bits, and resumes to the same bytes', async () => {
    const full = await finish(config())
    const half = await finish(config({ dtype: 'bfloat16' }))
    assert.ok(Math.abs(half.report.eval_loss - full.report.eval_loss) < 0.02 * full.report.eval_loss)
    assert.equal((await inspect(half.model)).dtype, 'BF16')
    const resumed = await interrupted(config({ dtype: 'bfloat16' }), 5)
    assert.ok(weights(resumed).equals(weights(half.out)))
  })
})
