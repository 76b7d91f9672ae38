// What a run leaves of itself beside metrics.jsonl.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { train } from '#lib/verbs/train'
import { curvesOf } from '#lib/verbs/training/record'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

test('figures of training and of evaluation go under names of their own', () => {
  const line = { step: 3, loss: 2, lr: 0.1, eval_loss: 4, eval_losses: { 'a/b.txt': 5 }, eval_accuracy: 0.5 }
  assert.deepEqual(curvesOf(line), {
    'train/loss': 2,
    'train/lr': 0.1,
    'eval/loss': 4,
    'eval/losses/a/b.txt': 5,
    'eval/accuracy': 0.5,
  })
})

describe('tensorboard', () => {
  const root = temporaryFolder()
  let config

  before(async () => {
    config = await tinyTraining(join(root, 'inputs'), { steps: 4 })
  })

  test('is written where it is asked for, and changes nothing else', async () => {
    const [without, asked] = [join(root, 'without'), join(root, 'asked')]
    await train({ ...config, out: without }).result
    await train({ ...config, out: asked, tensorboard: true }).result
    assert.ok(!existsSync(join(without, 'tensorboard')))
    const [name, ...more] = readdirSync(join(asked, 'tensorboard'))
    assert.equal(more.length, 0)
    const content = readFileSync(join(asked, 'tensorboard', name), 'latin1')
    for (const tag of ['train/loss', 'train/lr', 'train/tokens_per_second', 'eval/loss', 'config'])
      assert.ok(content.includes(tag), tag)
    const weights = (out) => readFileSync(join(out, 'model', 'model.safetensors'))
    assert.ok(weights(without).equals(weights(asked)))
  })

  test('may be asked for when a run is resumed that had not been told to write it', async () => {
    const out = join(root, 'later')
    const run = train({ ...config, out })
    for await (const { step } of run) if (step === 2) break
    const { report } = await train({ ...config, out, tensorboard: true }, { resume: true }).result
    assert.ok(report.resumed_from >= 2)
    assert.equal(readdirSync(join(out, 'tensorboard')).length, 1)
  })
})
