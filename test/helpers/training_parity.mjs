// The checks of one decoder folder against its training.safetensors (layout: test/parity/decoder_expected.py):
// gradients of one batch, then ten AdamW steps. They speak to the native trainer itself, below the data pipeline.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { native, runJob } from '#lib/native'
import { assertClose } from './decoder_parity.mjs'
import { readArrays } from './safetensors.mjs'

const TOLERANCE = 1e-4
export const OPTIMIZER = {
  kind: 'adamw',
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  weight_decay: 0.01,
  decay_all: true,
}

/** Registers the checks as subtests of `t`. */
export async function checkTraining(t, folder, settings = {}) {
  const expected = readArrays(join(folder, 'training.safetensors'))
  const batches = packedBatches(expected)
  await t.test('gradients agree to 1e-4 of the largest of each parameter', () =>
    withTrainer(folder, (trainer) => checkGradients(trainer, batches[0], expected), settings),
  )
  await t.test('losses and gradient norms of ten AdamW steps agree to 1e-4', () =>
    withTrainer(folder, (trainer) => checkSteps(trainer, batches, expected), settings),
  )
}

/** The same of a text encoder that learns hidden words. */
export const checkMaskedTraining = (t, folder) => checkTraining(t, folder, { loss: { kind: 'masked' } })

/** Ten steps by Adafactor with `settings` against the arrays of decoder_measure.optimize. */
export function checkAdafactor(folder, settings, expected) {
  const { ids, labels, lr, clip } = readArrays(join(folder, 'training.safetensors'))
  const check = async (trainer) => {
    await checkSteps(trainer, packedBatches({ ids, labels }), { ...expected, lr, clip })
    await checkWeights(trainer, expected)
  }
  return withTrainer(folder, check, { optimizer: { kind: 'adafactor', decay_all: true, ...settings } })
}

async function checkWeights(trainer, expected) {
  const scratch = await mkdtemp(join(tmpdir(), 'tongueforge-weights-'))
  try {
    const path = join(scratch, 'state.safetensors')
    await runJob('trainSave', { trainer, path })
    const received = readArrays(path)
    for (const name of Object.keys(expected).filter((name) => name.startsWith('weight.')))
      assertClose(received[name].data, expected[name].data, TOLERANCE, name)
  } finally {
    await rm(scratch, { recursive: true })
  }
}

/** Calls `check` with a native trainer of the model in `folder`, in float32. */
export async function withTrainer(
  folder,
  check,
  { optimizer = OPTIMIZER, loss = { kind: 'language' }, masks = 'none' } = {},
) {
  const spec = modelSpec(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')))
  const model = await runJob('loadModel', { folder, spec, dtype: 'float32', threads: 1 })
  const trainer = await runJob('makeTrainer', {
    model,
    optimizer,
    loss,
    dtype: 'float32',
    frozen: [],
    seed: 0,
    masks,
  })
  try {
    await check(trainer)
  } finally {
    native().dispose(trainer)
    native().dispose(model)
  }
}

const largestOf = (data) => data.reduce((most, x) => Math.max(most, Math.abs(x)), 0)

/** `nameOf` makes of a parameter's name the one in `expected`. */
export async function checkGradients(trainer, batch, expected, nameOf = (name) => name) {
  const scratch = await mkdtemp(join(tmpdir(), 'tongueforge-gradients-'))
  try {
    const path = join(scratch, 'gradients.safetensors')
    await runJob('trainGradients', { trainer, batches: [batch], path, threads: 1 })
    const arrays = Object.entries(readArrays(path))
    const received = Object.fromEntries(arrays.map(([name, array]) => [nameOf(name), array]))
    const names = Object.keys(expected).filter((name) => name.startsWith('grad.'))
    assert.deepEqual(Object.keys(received).sort(), names.map((name) => name.slice('grad.'.length)).sort())
    const largest = Math.max(...names.map((name) => largestOf(expected[name].data)))
    for (const name of names) {
      const [ours, theirs] = [received[name.slice('grad.'.length)].data, expected[name].data]
      // Softmax does not see a shift of all scores of a query: what both programs find here is rounding.
      const isZero = name.endsWith('.attention.self.key.bias')
      const scale = isZero ? [largest] : []
      assertClose([...ours, ...scale], [...theirs, ...scale], TOLERANCE, name)
    }
  } finally {
    await rm(scratch, { recursive: true })
  }
}

export async function checkSteps(trainer, batches, { lr, clip, losses, grad_norms, z_losses }) {
  for (const [step, batch] of batches.entries()) {
    const options = { trainer, batches: [batch], lr: lr.data[step], clip: clip.data[0], step, threads: 1 }
    const { loss, grad_norm, figures } = await runJob('trainStep', options)
    assertClose([loss], [losses.data[step]], TOLERANCE, `loss of step ${step}`)
    assertClose([grad_norm], [grad_norms.data[step]], TOLERANCE, `gradient norm of step ${step}`)
    if (z_losses) assertClose([figures.z_loss], [z_losses.data[step]], TOLERANCE, `z-loss of step ${step}`)
  }
}

// One document a row; arrays of ids and labels (S,B,T) -> a batch a step.
export function packedBatches({ ids, labels }) {
  const [steps, rows, time] = ids.shape
  const size = rows * time
  const slice = ({ data }, step) => data.slice(step * size, (step + 1) * size)
  return Array.from({ length: steps }, (_, step) => ({
    ids: slice(ids, step),
    labels: slice(labels, step),
    segments: new Int32Array(size),
    rows,
  }))
}
