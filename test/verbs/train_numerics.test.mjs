// What training computes in, and how it updates.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { inspect } from 'tongueforge'
import { train } from '#lib/verbs/train'
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

  test('z_loss is made small and told beside the loss, which stays the plain one, as on held-out data', async () => {
    const lines = ({ out }) =>
      readFileSync(join(out, 'metrics.jsonl'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
    const plain = await finish(config())
    const held = await finish(config({ z_loss: 0.05 }))
    const [first, ...rest] = lines(held)
    assert.equal(first.loss, lines(plain)[0].loss)
    assert.equal(held.report.eval_loss_before, plain.report.eval_loss_before)
    assert.ok(lines(plain).every((line) => !('z_loss' in line)))
    // Logits of random weights are near 0: log(sum exp) is about log V, and falls.
    const sure = 0.05 * Math.log(188) ** 2
    assert.ok(Math.abs(first.z_loss / sure - 1) < 0.1, `${first.z_loss}, of equal logits ${sure}`)
    assert.ok(rest.at(-1).z_loss < first.z_loss)
    const resumed = await interrupted(config({ z_loss: 0.05 }), 5)
    assert.ok(weights(resumed).equals(weights(held.out)))
  })

  test('z_loss is refused where the loss is over pairs', async () => {
    await assert.rejects(train(config({ objective: 'dpo', z_loss: 1e-4 })).result, (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      assert.match(error.message, /z_loss: expected 0 with objective dpo, received 0.0001/)
      assert.match(error.hint, /cp, inscp, sft and masked/)
      return true
    })
  })
})
