// How the rows of an update are dealt out to processes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Batches } from '#lib/verbs/training/batches'

/** Rows that hold their own number. */
const source = {
  rowLength: 1,
  rowsPerEpoch: 1000,
  fill: async (row, batch, at) => {
    batch.ids[at] = row
  },
}
const rowsOf = (batches) => batches.map(({ ids }) => [...ids])

test('all processes together have the rows of one, each once and in order, and no micro-batch is larger', async () => {
  for (const rows of [1, 2, 3, 5]) {
    for (const accumulation of [1, 2, 3, 4]) {
      for (const of of [1, 2, 3, 4]) {
        if (rows * accumulation < of) continue
        const alone = new Batches(source, { rows, accumulation, share: { index: 0, of: 1 } })
        const expected = rowsOf(await alone.read(7))
        assert.equal(expected.length, accumulation)
        const shares = []
        for (let index = 0; index < of; index++) {
          const own = new Batches(source, { rows, accumulation, share: { index, of } })
          shares.push(rowsOf(await own.of(7, true)))
          assert.deepEqual(rowsOf(await own.readAll(7)), expected)
        }
        assert.deepEqual(shares.flat(2), expected.flat())
        assert.ok(shares.every((share) => share.length > 0 && share.every((micro) => micro.length <= rows)))
      }
    }
  }
})

test('whole micro-batches keep their numbers, cut ones get numbers that no other has', () => {
  const numbers = (accumulation, of) =>
    Array.from(
      { length: of },
      (_, index) => new Batches(source, { rows: 4, accumulation, share: { index, of } }).firstMicroBatch,
    )
  assert.deepEqual(numbers(1, 1), [0])
  assert.deepEqual(numbers(6, 2), [0, 3])
  assert.deepEqual(numbers(4, 4), [0, 1, 2, 3])
  assert.deepEqual(numbers(1, 4), [1, 2, 3, 4])
  assert.deepEqual(numbers(3, 2), [3, 6])
})
