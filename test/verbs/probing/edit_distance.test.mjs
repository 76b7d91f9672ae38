// Laws of the distance between sequences, over drawn ones: SEED repeats a run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '#lib/text/random'
import { editDistance } from '#lib/verbs/probing/edit_distance'
import { meanOf } from '#lib/verbs/probing/figures'

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6))
const random = new Random(seed)
const drawn = () => Array.from({ length: random.below(7) }, () => random.below(3))

/** The definition, without a table. */
function plain(a, b) {
  if (a.length === 0 || b.length === 0) return a.length + b.length
  const [restA, restB] = [a.slice(1), b.slice(1)]
  return Math.min(plain(restA, restB) + Number(a[0] !== b[0]), plain(restA, b) + 1, plain(a, restB) + 1)
}

test(`distances are as they are defined, and those of a metric (SEED=${seed})`, () => {
  for (let i = 0; i < 200; i++) {
    const [a, b, c] = [drawn(), drawn(), drawn()]
    const distance = editDistance(a, b)
    assert.equal(distance, plain(a, b), `${a} / ${b}`)
    assert.equal(distance, editDistance(b, a))
    assert.equal(distance === 0, a.join() === b.join())
    assert.ok(editDistance(a, c) <= distance + editDistance(b, c))
    assert.ok(distance >= Math.abs(a.length - b.length) && distance <= Math.max(a.length, b.length))
  }
})

test('means go through tables and lists of numbers', () => {
  const fold = (value) => ({ train: { n: value }, layer_weights: [value, 2 * value] })
  assert.deepEqual(meanOf([fold(1), fold(3)]), { train: { n: 2 }, layer_weights: [2, 4] })
  assert.deepEqual(meanOf([fold(5)]), fold(5))
})
