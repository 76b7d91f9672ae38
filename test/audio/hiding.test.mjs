// Spans of hidden places: laws over random utterances, and the share that the miniature of the paper measured.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hideSpans } from '#lib/audio/hiding'
import { Random } from '#lib/text/random'

const MELHUBERT = { probability: 0.7, length: 5, least_spans: 2 }
const count = (hidden) => hidden.reduce((sum, one) => sum + one, 0)

test('of 100 places 14 or 15 spans of five hide .53: those that overlap hide less', () => {
  let sum = 0
  for (let seed = 1; seed <= 2000; seed++) sum += count(hideSpans(100, MELHUBERT, new Random(seed)))
  // 14 distinct beginnings of 95; a place is heard where none of the five before it is one
  const share = sum / 200_000
  assert.ok(Math.abs(share - 0.53) < 0.01, `${share}`)
})

test('hidden stretches are at least a span long, and the last place of a long utterance is heard', () => {
  for (let seed = 1; seed <= 500; seed++) {
    const places = 20 + (seed % 200)
    const hidden = hideSpans(places, MELHUBERT, new Random(seed, 7))
    const stretches = [...hidden].join('').match(/1+/g)
    for (const stretch of stretches) assert.ok(stretch.length >= 5, `seed ${seed}: ${stretch.length}`)
    assert.equal(hidden[places - 1], 0, `seed ${seed}`)
    const most = (Math.floor((0.7 * places) / 5) + 1) * 5
    assert.ok(count(hidden) <= most, `seed ${seed}`)
  }
})

test('something is hidden in the shortest utterance, and nothing beyond its end', () => {
  for (let places = 1; places <= 12; places++)
    for (let seed = 1; seed <= 50; seed++) {
      const hidden = hideSpans(places, MELHUBERT, new Random(seed))
      assert.equal(hidden.length, places)
      assert.ok(count(hidden) >= 1, `${places} places, seed ${seed}`)
    }
})

test('the number of spans is drawn between the two whole numbers that the share lies between', () => {
  const seen = new Set()
  for (let seed = 1; seed <= 200; seed++) {
    const hidden = hideSpans(100_000, { ...MELHUBERT, probability: 0.000125 }, new Random(seed))
    seen.add(Math.round(count(hidden) / 5))
  }
  assert.deepEqual([...seen].sort(), [2, 3]) // 2.5 of five places each, in so long an utterance that none overlap
})
