// What a training config can ask of the loop, against transformers and torch: z-loss, and the schedules.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { learningRate } from '#lib/verbs/training/schedule'
import { reference } from '../helpers/reference.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { checkSteps, packedBatches, withTrainer } from '../helpers/training_parity.mjs'

const seed = Number(process.env.TONGUEFORGE_PARITY_SEED ?? Math.floor(Math.random() * 1e6))

test(`ten steps with z-loss: losses, z-losses and gradient norms agree to 1e-4 (TONGUEFORGE_PARITY_SEED=${seed})`, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tongueforge-parity-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await reference(['random_model', 'qwen2', seed, folder])
  const file = join(folder, 'training.safetensors')
  const given = readArrays(file)
  const z_loss = 0.01
  const answer = await reference(['train', folder, file, '--z-loss', z_loss])
  const named = Object.entries(answer).map(([name, data]) => [name, { data }])
  const expected = { ...given, ...Object.fromEntries(named) }
  const shift = Math.abs(answer.losses.at(-1) - given.losses.data.at(-1))
  assert.ok(shift > 1e-3 * answer.losses.at(-1), `z-loss changes what is learnt: by ${shift}`)
  await withTrainer(folder, (trainer) => checkSteps(trainer, packedBatches(given), expected), {
    loss: { kind: 'language', z_loss },
  })
})

const schedules = [
  { kind: 'constant', warmup: 7 },
  { kind: 'linear', warmup: 7 },
  { kind: 'linear', warmup: 0, steps: 2 },
  { kind: 'cosine', warmup: 7 },
  { kind: 'cosine', warmup: 0, min_lr: 2e-4 },
  { kind: 'wsd', warmup: 7 },
  { kind: 'wsd', warmup: 1, decay: 49, decay_shape: '1-sqrt' },
  { kind: 'wsd', warmup: 0, min_lr: 3e-4, decay_shape: '1-sqrt' },
  { kind: 'wsd', warmup: 0, min_lr: 3e-4, decay: 1 },
].map((one) => ({ lr: 1e-3, steps: 50, min_lr: 0, decay: 12, decay_shape: 'linear', ...one }))

test('every schedule is that of transformers', async () => {
  const answers = await reference(['schedules', '-'], schedules)
  for (const [i, { lr, steps, ...schedule }] of schedules.entries()) {
    const config = { optimizer: { lr }, schedule, steps }
    for (let step = 0; step < steps; step++) {
      // Our updates count from 1 where theirs count from 0: a first update with a rate of 0 would learn nothing. What
      // falls from the end of the warm-up on has its full height there.
      const shifted = step < schedule.warmup || ['constant', 'wsd'].includes(schedule.kind)
      const expected = answers[i][shifted ? step + 1 : step]
      const received = learningRate(config, step)
      const what = `${JSON.stringify(schedules[i])} at ${step}`
      assert.ok(Math.abs(received - expected) <= 1e-12, `${what}: ${received}, theirs ${expected}`)
    }
  }
})
