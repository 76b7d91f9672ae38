// Optimizers as a config chooses them: what they learn, keep, and refuse.
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const KINDS = {
  adamw: { lr: 5e-3 },
  adafactor: { lr: 5e-3 },
  'adafactor with a first moment': { kind: 'adafactor', beta1: 0.9, lr: 5e-3 },
}

describe('optimizers', () => {
  const root = temporaryFolder()
  let base
  let made = 0
  const config = (changes) => ({ ...base, out: join(root, `run-${made++}`), ...changes })
  const finish = (options, more) => train(options, more).result
  const weights = (folder) => readFileSync(join(folder, 'model.safetensors'))
  const newestState = ({ out }, step) =>
    join(out, 'checkpoints', `step-${String(step).padStart(8, '0')}`, 'state.safetensors')

  before(async () => {
    base = await tinyTraining(join(root, 'inputs'), { steps: 40 })
  })

  for (const [name, settings] of Object.entries(KINDS)) {
    const optimizer = { kind: name, ...settings }

    test(`${name} learns, and resumes to the same bytes`, async () => {
      const whole = config({ optimizer })
      const { model, report } = await finish(whole)
      assert.ok(report.eval_loss < 0.5 * report.eval_loss_before, `${report.eval_loss}`)
      const stop = new AbortController()
      const options = config({ optimizer })
      const run = train(options, { signal: stop.signal })
      await assert.rejects(async () => {
        for await (const { step } of run) if (step >= 11) stop.abort(new Error('enough'))
      }, /enough/)
      const resumed = await finish(options, { resume: true })
      assert.ok(resumed.report.resumed_from >= 11)
      assert.ok(weights(resumed.model).equals(weights(model)))
    })

    test(`${name}: the plan's bytes of a checkpoint are those of the file`, async () => {
      const options = config({ optimizer, checkpoint: { every: 1, keep: 1 }, steps: 2 })
      const { report } = await finish(options)
      const { checkpoint_bytes, memory_bytes, parameters } = report.plan
      const { size } = statSync(newestState(options, 1))
      const header = 300 * 40 // names and offsets, and a count a tensor
      assert.ok(size >= checkpoint_bytes && size < checkpoint_bytes + header, `${size} ${checkpoint_bytes}`)
      assert.equal(memory_bytes, 4 * parameters + checkpoint_bytes) // gradients; weights and moments are in it
    })
  }

  test('adafactor keeps a hundredth of the moments of AdamW', async () => {
    const bytes = async (kind) => {
      const { report } = await finish(config({ optimizer: { kind } }), { dryRun: true })
      return report.plan.checkpoint_bytes - 4 * report.plan.parameters
    }
    assert.ok((await bytes('adafactor')) < 0.02 * (await bytes('adamw')))
  })

  test('a key of another kind is refused by name; a default written out changes nothing', async () => {
    const refused = async (optimizer, message) =>
      assert.rejects(finish(config({ optimizer }), { dryRun: true }), { code: 'ERR_CONFIG', message })
    await refused(
      { kind: 'adafactor', betas: [0.9, 0.99] },
      /optimizer\.betas: expected none with kind adafactor: it belongs to adamw, received \[0\.9,0\.99\]/,
    )
    await refused(
      { clip_threshold: 2 },
      /optimizer\.clip_threshold: expected none with kind adamw: it belongs/,
    )
    await refused({ kind: 'adafactr' }, /optimizer\.kind: expected adamw \| adafactor, received "adafactr"/)
    const [plain, written] = [
      await finish(config({ steps: 2 })),
      await finish(config({ steps: 2, optimizer: { betas: [0.9, 0.95], eps: 1e-8 } })),
    ]
    assert.equal(written.report.config_sha256, plain.report.config_sha256)
  })
})
