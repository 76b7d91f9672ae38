// Distillation against plain torch: losses, figures and norms of ten updates, and gradients of the first.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { distilReference } from '../helpers/reference.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { checkGradients, packedBatches, withTrainer } from '../helpers/training_parity.mjs'

const seed = Number(process.env.TONGUEFORGE_PARITY_SEED ?? Math.floor(Math.random() * 1e6))
const TOLERANCE = 1e-4

const hidden = { student_layers: [0, 1, 2], teacher_layers: [0, 2, 3], weight: 0.7, cosine: 0.9, seed: 5 }
const CASES = {
  'temperature 2, half of each, hidden states projected': {
    ...{ temperature: 2, alpha: 0.5, squared: true, divergence: 'forward' },
    hidden,
  },
  'the paper: the teacher alone, as it is': {
    ...{ temperature: 1, alpha: 1, squared: false, divergence: 'forward' },
  },
  'the other way round, sharpened': {
    ...{ temperature: 0.7, alpha: 0.8, squared: false, divergence: 'reverse' },
  },
}

test(`distillation (TONGUEFORGE_PARITY_SEED=${seed})`, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tongueforge-parity-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await distilReference([seed, folder], { cases: Object.values(CASES) })
  const path = join(folder, 'teacher')
  const spec = decoderSpec(JSON.parse(await readFile(join(path, 'config.json'), 'utf8')))
  const teacher = await runJob('loadModel', { folder: path, spec, dtype: 'float32', threads: 1 })
  t.after(() => native().dispose(teacher))
  for (const [number, [name, settings]] of Object.entries(CASES).entries()) {
    const expected = readArrays(join(folder, `${number}.safetensors`))
    const batches = packedBatches(expected)
    const loss = { kind: 'distillation', distillation: { teacher, ...settings } }
    await t.test(`${name}: gradients`, () =>
      withTrainer(join(folder, 'student'), (trainer) => checkGradients(trainer, batches[0], expected), {
        loss,
      }),
    )
    await t.test(`${name}: ten updates`, () =>
      withTrainer(join(folder, 'student'), (trainer) => checkUpdates(trainer, batches, expected), { loss }),
    )
  }
})

async function checkUpdates(trainer, batches, expected) {
  const { lr, clip, losses, grad_norms } = expected
  for (const [step, batch] of batches.entries()) {
    const options = { trainer, batches: [batch], lr: lr.data[step], clip: clip.data[0], step, threads: 1 }
    const { loss, grad_norm, figures } = await runJob('trainStep', options)
    assertClose([loss], [losses.data[step]], TOLERANCE, `loss of step ${step}`)
    assertClose([grad_norm], [grad_norms.data[step]], TOLERANCE, `gradient norm of step ${step}`)
    for (const [name, value] of Object.entries(figures))
      assertClose([value], [expected[name].data[step]], TOLERANCE, `${name} of step ${step}`)
  }
  assert.ok(losses.data[9] < losses.data[0], 'something is learnt')
}
