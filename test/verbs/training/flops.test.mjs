// Counts of operations against the tensors of a model, and against sums over every pair of places.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { countParameters } from '#lib/counting/parameters'
import { runJob } from '#lib/native'
import { forwardFlops, trainingFlops } from '#lib/verbs/training/flops'
import { tinyConfig } from '../../helpers/tiny_model.mjs'

const spec = (changes = {}) => decoderSpec({ ...tinyConfig({ width: 64, layers: 3 }), ...changes })

const families = {
  llama: spec({ num_key_value_heads: 2 }),
  tied: spec({ tie_word_embeddings: true }),
  window: spec({ model_type: 'mistral', sliding_window: 5 }),
  wide_window: spec({ model_type: 'mistral', sliding_window: 64 }),
  qwen3: spec({ model_type: 'qwen3', head_dim: 32, num_key_value_heads: 1 }),
}

// Every number of every matrix is multiplied once a token; the head's too, also where it is the input table.
const matricesOf = async (family) =>
  (await runJob('describeModel', { spec: family }))
    .filter(({ shape, name }) => shape.length === 2 && (family.tie_word_embeddings || !/embed/.test(name)))
    .reduce((sum, { shape: [rows, columns] }) => sum + rows * columns, 0)

for (const [name, family] of Object.entries(families)) {
  test(`${name}: a token costs two operations a number of every matrix, and two for each pair and number of attention`, async () => {
    const length = 40
    const [{ window, num_heads }] = family.layers
    let pairs = 0
    for (let query = 0; query < length; query++)
      for (let key = 0; key <= query; key++) if (!window || query - key < window) pairs++
    const attention = (3 * 4 * num_heads * family.head_dim * pairs) / length
    assert.equal(forwardFlops(family, length), 2 * (await matricesOf(family)) + attention)
  })
}

test('training costs three times the forward pass; adapters spare the gradients of what is frozen', async () => {
  const family = spec()
  assert.equal(trainingFlops(family, 64), 3 * forwardFlops(family, 64))
  const all = countParameters(family)
  assert.equal(trainingFlops(family, 64, { parameters: all, own_parameters: all }), trainingFlops(family, 64))
  const saved = trainingFlops(family, 64) - trainingFlops(family, 64, { parameters: 100, own_parameters: 0 })
  assert.equal(saved, 2 * (await matricesOf(family)) - 6 * 100)
})
