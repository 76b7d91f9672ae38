import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBetter, judge, paretoSet } from '#lib/verbs/sweep/judge'

const sum = [
  { name: 'a', weight: 1, limit: undefined },
  { name: 'b', weight: 2, limit: undefined },
]
const limited = [
  { name: 'a', weight: 1, limit: undefined },
  { name: 'b', weight: 0, limit: 3 },
]

test('without limits the weighted sum decides', () => {
  assert.deepEqual(judge({ a: 1, b: 2 }, sum), { score: 5, excess: 0 })
  assert.ok(isBetter(judge({ a: 4, b: 0 }, sum), judge({ a: 1, b: 2 }, sum)))
})

test('what is within its limits beats what is not, then less excess, then the sum', () => {
  const order = [
    { a: 1, b: 3 },
    { a: 2, b: 0 },
    { a: 0.1, b: 3.5 },
    { a: 0, b: 4 },
  ].map((values) => judge(values, limited))
  for (const [i, verdict] of order.slice(1).entries()) {
    assert.ok(isBetter(order[i], verdict), `${i}`)
    assert.ok(!isBetter(verdict, order[i]), `${i}`)
  }
})

test('a value that is no number is the worst, in the sum and at a limit', () => {
  assert.ok(isBetter(judge({ a: 1e9, b: 2 }, sum), judge({ a: Number.NaN, b: 0 }, sum)))
  assert.ok(isBetter(judge({ a: 5, b: 99 }, limited), judge({ a: 0, b: Number.NaN }, limited)))
  assert.ok(!isBetter(judge({ a: Number.NaN, b: 0 }, sum), judge({ a: Number.NaN, b: 0 }, sum)))
})

test('the Pareto set holds the points of which no other is as good in all and better in one', () => {
  const points = [
    [1, 5],
    [2, 2],
    [3, 3],
    [5, 1],
    [2, 2],
    [5, 2],
  ].map(([a, b], step) => ({ step, values: { a, b } }))
  assert.deepEqual(
    paretoSet(points, ['a', 'b']).map(({ step }) => step),
    [0, 1, 3, 4],
  )
})

test('a point with a value that is no number is in no Pareto set, as measured or as read back', () => {
  for (const lost of [Number.NaN, Number.POSITIVE_INFINITY, null]) {
    const points = [
      { values: { a: 1, b: 5 } },
      { values: { a: 0, b: lost } },
      { values: { a: lost, b: lost } },
    ]
    assert.deepEqual(paretoSet(points, ['a', 'b']), [points[0]], `${lost}`)
  }
})
