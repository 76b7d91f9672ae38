// Ten AdamW steps of each preference loss, and the log-probabilities they start from, against plain torch
// (test/golden/preference/make_golden.py).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { readArrays } from '../helpers/safetensors.mjs'

const golden = dirname(fileURLToPath(import.meta.url))
const folder = join(golden, 'decoder', 'llama_tied_gqa')
const spec = decoderSpec(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')))
const pairs = readArrays(join(golden, 'preference', 'pairs.safetensors'))
const cases = JSON.parse(readFileSync(join(golden, 'preference', 'cases.json'), 'utf8'))

const OPTIMIZER = { kind: 'adamw', beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.01, decay_all: true }
const TOLERANCE = 1e-4

const [steps, rows, time] = pairs.ids.shape
const part = ({ data }, size, step) => data.subarray(step * size, (step + 1) * size)
const batches = Array.from({ length: steps }, (_, step) => ({
  ids: part(pairs.ids, rows * time, step),
  labels: part(pairs.labels, rows * time, step),
  segments: part(pairs.segments, rows * time, step),
  rows,
  reference: [...part(pairs.reference, 2 * rows, step)],
}))

const load = () => runJob('loadModel', { folder, spec, dtype: 'float32', threads: 1 })

test('log-probabilities of packed answers agree with torch, which reads them one by one', async (t) => {
  const model = await load()
  t.after(() => native().dispose(model))
  for (const batch of batches) {
    const { sums, counts } = await runJob('segmentLogProbs', { model, batch, threads: 1 })
    assertClose(sums, batch.reference, 1e-5, 'log-probabilities')
    const targets = batch.labels.filter((label) => label !== -100).length
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      targets,
    )
  }
})

for (const { name, kind, beta, label_smoothing, gamma } of cases) {
  test(`${name}: losses, rewards and gradient norms of ten steps agree with torch to 1e-4`, async (t) => {
    const expected = readArrays(join(golden, 'preference', `${name}.safetensors`))
    const model = await load()
    const loss = { kind: 'preference', preference: { kind, beta, label_smoothing, gamma } }
    const trainer = await runJob('makeTrainer', { model, optimizer: OPTIMIZER, loss, dtype: 'float32', frozen: [], seed: 0 })
    t.after(() => [trainer, model].forEach((handle) => native().dispose(handle)))
    const received = { losses: [], grad_norms: [], chosen_reward: [], rejected_reward: [] }
    for (const batch of batches) {
      const options = { trainer, batches: [batch], lr: 1e-3, clip: 1, step: 0, threads: 1 }
      const outcome = await runJob('trainStep', options)
      received.losses.push(outcome.loss)
      received.grad_norms.push(outcome.grad_norm)
      for (const figure of ['chosen_reward', 'rejected_reward']) received[figure].push(outcome.figures[figure])
    }
    for (const [what, values] of Object.entries(received))
      assertClose(values, expected[what].data, TOLERANCE, what)
  })
}
