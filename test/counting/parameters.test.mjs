// The closed forms against the tensors that native code has for the same spec.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { products } from '#lib/counting/macs'
import {
  blockMatrices,
  countParameters,
  parameterParts,
  storedBytes,
  totalOf,
} from '#lib/counting/parameters'
import { modelSize } from '#lib/counting/registry'
import { runJob } from '#lib/native'
import { decoderSpecs } from '../helpers/specs.mjs'

const numbers = (shape) => shape.reduce((product, length) => product * length, 1)
const KINDS = {
  attention: 'attention',
  mlp: 'feed_forward',
  norm: 'norm',
  embedding: 'embedding',
  head: 'head',
}

test('parameters are those of the tensors in memory, in all and by what they are for', async () => {
  await fc.assert(
    fc.asyncProperty(decoderSpecs, async (spec) => {
      const tensors = await runJob('describeModel', { spec })
      const sums = { embedding: 0, front: 0, attention: 0, feed_forward: 0, norm: 0, head: 0 }
      for (const { module, name, shape } of tensors)
        sums[/_norm\.weight$/.test(name) ? 'norm' : KINDS[module]] += numbers(shape)
      assert.deepEqual(parameterParts(modelSize(spec)), sums)
      assert.equal(countParameters(spec), totalOf(sums))
    }),
    { numRuns: 50 },
  )
})

test('what is multiplied has the names and shapes of tensors in memory, and none is left out', async () => {
  await fc.assert(
    fc.asyncProperty(decoderSpecs, async (spec) => {
      const tensors = await runJob('describeModel', { spec })
      const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]))
      const size = modelSize(spec)
      for (const { tensor, rows, columns } of products(size, 1))
        assert.deepEqual(shapes.get(tensor), [rows, columns], tensor)
      const matrices = tensors.filter(({ shape, name }) => shape.length === 2 && !/embed|lm_head/.test(name))
      assert.deepEqual(
        new Set([...blockMatrices(size)].map(({ tensor }) => tensor)),
        new Set(matrices.map(({ name }) => name)),
      )
    }),
    { numRuns: 50 },
  )
})

test('bytes are parameters times the width, but for matrices of which a format says otherwise', () => {
  fc.assert(
    fc.property(decoderSpecs, (spec) => {
      const size = modelSize(spec)
      assert.equal(storedBytes(size, 'float32'), 4 * countParameters(spec))
      assert.equal(storedBytes(size, 'bfloat16'), 2 * countParameters(spec))
      // A byte a number, a scale in the dtype of the rest for each row; down projections stay.
      const int8 = ({ tensor, rows, columns }) =>
        tensor.includes('down_proj') ? undefined : rows * columns + 2 * rows
      let saved = 0
      for (const { tensor, rows, columns } of blockMatrices(size))
        if (!tensor.includes('down_proj')) saved += rows * columns - 2 * rows
      assert.equal(storedBytes(size, 'float16', int8), 2 * countParameters(spec) - saved)
    }),
  )
})
