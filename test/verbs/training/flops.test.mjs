// Counts of operations against the tensors of a model, and against sums over every pair of places.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countParameters, decoderSpec } from '#lib/checkpoint/model_config'
import { runJob } from '#lib/native'
import { forwardFlops, matrixParameters, trainingFlops } from '#lib/verbs/training/flops'
import { tinyConfig } from '../../helpers/tiny_model.mjs'

const spec = (changes = {}) => decoderSpec({ ...tinyConfig({ width: 64, layers: 3 }), ...changes })

const families = {
  llama: spec({ num_key_value_heads: 2 }),
  tied: spec({ tie_word_embeddings: true }),
  qwen3: spec({ model_type: 'qwen3', head_dim: 32, num_key_value_heads: 1 }),
}

for (const [name, family] of Object.entries(families)) {
  test(`${name}: every matrix counts, the head once, the input table only where it is the head`, async () => {
    const tensors = await runJob('describeModel', { spec: family })
    const counted = tensors
      .filter(({ shape, name }) => shape.length === 2 && (family.tie_word_embeddings || !/embed/.test(name)))
      .reduce((sum, { shape: [rows, columns] }) => sum + rows * columns, 0)
    assert.equal(matrixParameters(family), counted)
  })
}

test('attention is counted as the pairs of a causal row, or of a window', () => {
  for (const window of [0, 5, 64]) {
    const family = window ? spec({ model_type: 'mistral', sliding_window: window }) : spec()
    const length = 64
    let pairs = 0
    for (let query = 0; query < length; query++)
      for (let key = 0; key <= query; key++) if (!window || query - key < window) pairs++
    const attention = forwardFlops(family, length) - 2 * matrixParameters(family)
    const exact = (3 * 4 * 64 * pairs) / length // layers, operations, numbers of a query
    assert.ok(Math.abs(attention / exact - 1) < 1 / (window || length), `window ${window}`)
  }
})

test('training costs three times the forward pass; adapters spare the gradients of what is frozen', () => {
  const family = spec()
  assert.equal(trainingFlops(family, 64), 3 * forwardFlops(family, 64))
  const all = countParameters(family)
  assert.equal(trainingFlops(family, 64, { parameters: all, own_parameters: all }), trainingFlops(family, 64))
  const saved = trainingFlops(family, 64) - trainingFlops(family, 64, { parameters: 100, own_parameters: 0 })
  assert.equal(saved, 2 * matrixParameters(family) - 6 * 100)
})
