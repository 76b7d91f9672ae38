// Pruning while training against torch.nn.utils.prune with AdamW in plain torch: the same masks, the same losses.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runJob } from '#lib/native'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { prunedTrainingReference, reference } from '../helpers/reference.mjs'
import { numbersOf, readArrays, readTensors } from '../helpers/safetensors.mjs'
import { packedBatches, withTrainer } from '../helpers/training_parity.mjs'

const first = Number(process.env.TONGUEFORGE_PARITY_SEED ?? Math.floor(Math.random() * 1e6))
const PRUNINGS = [
  [3, 0.4],
  [6, 0.75],
]
const TOLERANCE = 1e-4

/** What a trainer would save now: {name: {dtype, shape, bytes}}. */
async function stateOf(trainer, folder) {
  const path = join(folder, 'state.safetensors')
  await rm(path, { force: true })
  await runJob('trainSave', { trainer, path })
  return readTensors(path)
}

/** Masks that differ. Weights agree to some 1e-7 only, so that two next to the threshold may change places. */
function differing(state, expected, step) {
  let count = 0
  for (const [name, { data }] of Object.entries(expected)) {
    if (!name.startsWith(`mask.${step}.`)) continue
    const { bytes } = state[`mask.${name.slice(`mask.${step}.`.length)}`]
    assert.equal(bytes.length, data.length, name)
    count += data.filter((stays, i) => (stays === 0) !== (bytes[i] === 1)).length
  }
  return count
}

// Weights without biases; q, k and v with biases; a head of its own.
for (const [i, name] of ['llama_tied_gqa', 'qwen2'].entries())
  test(`${name}: ten AdamW steps with two global prunings are those of torch (TONGUEFORGE_PARITY_SEED=${first})`, async (t) => {
    const out = await mkdtemp(join(tmpdir(), 'tongueforge-parity-'))
    t.after(() => rm(out, { recursive: true, force: true }))
    const folder = join(out, 'model')
    await reference(['random_model', name, first + i, folder])
    const file = join(out, 'expected.safetensors')
    const { prunable } = await prunedTrainingReference([folder, file], { prunings: PRUNINGS })
    const expected = readArrays(file)
    const given = readArrays(join(folder, 'training.safetensors'))
    const prunings = new Map(PRUNINGS)
    const check = async (trainer) => {
      for (const [step, batch] of packedBatches(given).entries()) {
        if (prunings.has(step)) {
          const sparsity = prunings.get(step)
          const counts = await runJob('trainPrune', { trainer, sparsity, scope: 'global', threads: 1 })
          assert.deepEqual(counts, { prunable, masked: Math.round(sparsity * prunable) })
          const moved = differing(await stateOf(trainer, out), expected, step)
          assert.ok(moved <= 2, `masks at step ${step}: ${moved} of ${prunable} differ`)
          if (moved > 0) t.diagnostic(`step ${step}: ${moved} masks at the threshold differ`)
        }
        const options = { trainer, batches: [batch], lr: given.lr.data[step], clip: given.clip.data[0] }
        const { loss, grad_norm } = await runJob('trainStep', { ...options, step, threads: 1 })
        assertClose([loss], [expected.losses.data[step]], TOLERANCE, `loss of step ${step}`)
        assertClose([grad_norm], [expected.grad_norms.data[step]], TOLERANCE, `norm of step ${step}`)
      }
      const state = await stateOf(trainer, out)
      for (const [key, { data }] of Object.entries(expected))
        if (key.startsWith('weight.')) assertClose(numbersOf(state[key]), data, TOLERANCE, key)
    }
    await withTrainer(folder, check, { masks: 'empty' })
  })
