// Activations that are computed again: everything but time and memory stays as it was.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

describe('activation_checkpointing: block', () => {
  const root = temporaryFolder()
  let base
  let made = 0
  const config = (changes) => ({ ...base, out: join(root, `run-${made++}`), ...changes })
  const finish = (options, more) => train(options, more).result
  const bytes = (folder, name = 'model.safetensors') => readFileSync(join(folder, name))

  before(async () => {
    base = await tinyTraining(join(root, 'inputs'), { steps: 10 })
  })

  const families = {
    llama: { num_key_value_heads: 2 },
    mistral: { model_type: 'mistral', num_key_value_heads: 2, sliding_window: 20 },
    qwen2: { model_type: 'qwen2', num_key_value_heads: 2, tie_word_embeddings: true },
    qwen3: { model_type: 'qwen3', num_key_value_heads: 1, head_dim: 32 },
  }
  for (const [family, changes] of Object.entries(families)) {
    test(`${family}: ten steps give the same bytes`, async () => {
      const init = { ...base.init, ...changes }
      const [plain, again] = [config({ init }), config({ init, activation_checkpointing: 'block' })]
      const [expected, received] = [await finish(plain), await finish(again)]
      assert.ok(bytes(received.model).equals(bytes(expected.model)))
      assert.equal(received.report.eval_loss, expected.report.eval_loss)
      assert.equal(received.report.config_sha256, expected.report.config_sha256)
    })
  }

  test('adapters with dropout, in bfloat16 too, give the same bytes', async () => {
    const { model } = await finish(config({ steps: 2 }))
    for (const dtype of ['float32', 'bfloat16']) {
      const lora = { init: undefined, model, lora: { rank: 4, dropout: 0.3, also: ['*norm.weight'] }, dtype }
      const expected = await finish(config(lora))
      const received = await finish(config({ ...lora, activation_checkpointing: 'block' }))
      const file = 'adapter_model.safetensors'
      assert.ok(bytes(received.adapter, file).equals(bytes(expected.adapter, file)), dtype)
    }
  })

  test('it may be switched on or off when resuming', async () => {
    const whole = await finish(config())
    for (const [first, then] of [
      ['none', 'block'],
      ['block', 'none'],
    ]) {
      const options = config({ activation_checkpointing: first })
      const stop = new AbortController()
      const run = train(options, { signal: stop.signal })
      await assert.rejects(async () => {
        for await (const { step } of run) if (step >= 4) stop.abort(new Error('enough'))
      }, /enough/)
      const { model, report } = await finish({ ...options, activation_checkpointing: then }, { resume: true })
      assert.ok(report.resumed_from >= 4)
      assert.ok(bytes(model).equals(bytes(whole.model)))
    }
  })

  test('another word is refused', async () => {
    await assert.rejects(finish(config({ activation_checkpointing: true }), { dryRun: true }), {
      code: 'ERR_CONFIG',
      message: /activation_checkpointing: expected none \| block, received true/,
    })
  })
})
