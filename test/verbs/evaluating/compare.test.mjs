import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stderrOfMean } from '#lib/tasks/metrics'
import { Random } from '#lib/text/random'
import { differenceOf, meanDifference } from '#lib/verbs/evaluating/compare'

/** Nearly normal. */
const normal = (random) =>
  Array.from({ length: 12 }, () => random.uint32() / 2 ** 32).reduce((sum, one) => sum + one, -6)
const text = (log_likelihood, bytes) => ({ doc_id: 0, doc: {}, log_likelihood, tokens: 1, words: 1, bytes })
const close = (a, b) => assert.ok(Math.abs(a - b) <= 1e-12 * Math.max(1, Math.abs(b)), `${a} and ${b}`)

test('of texts of one length, bits a byte differ by the mean of their differences', () => {
  const random = new Random(1)
  const pairs = Array.from({ length: 20 }, () => [
    text(-30 - normal(random), 40),
    text(-31 - normal(random), 40),
  ])
  const [mine, theirs] = [0, 1].map((side) => pairs.map((pair) => pair[side]))
  const bits = pairs.map(([a, b]) => (b.log_likelihood - a.log_likelihood) / Math.LN2 / 40)
  const found = differenceOf('bits_per_byte', mine, theirs)
  close(found.value, meanDifference(bits).value)
  close(found.stderr, stderrOfMean(bits))
  assert.equal(differenceOf('word_perplexity', mine, theirs), undefined)
  assert.equal(differenceOf('bits_per_byte', mine.slice(0, 1), theirs.slice(0, 1)).interval, null)
})

test('about 95 of 100 intervals hold the true difference, of answers and of texts of any length', () => {
  const random = new Random(7)
  const RUNS = 600
  let means = 0
  let bits = 0
  for (let run = 0; run < RUNS; run++) {
    const differences = Array.from({ length: 60 }, () => 0.3 + normal(random))
    const [low, high] = meanDifference(differences).interval
    if (low <= 0.3 && 0.3 <= high) means++
    const pairs = Array.from({ length: 60 }, () => {
      const bytes = 20 + random.below(200)
      // Half a bit a byte is the true difference; noise grows with the text.
      const more = 0.5 * bytes * Math.LN2 + normal(random) * Math.sqrt(bytes)
      const likelihood = -bytes * (1 + random.uint32() / 2 ** 32)
      return [text(likelihood - more, bytes), text(likelihood, bytes)]
    })
    const found = differenceOf(
      'bits_per_byte',
      pairs.map(([a]) => a),
      pairs.map(([, b]) => b),
    )
    if (found.interval[0] <= 0.5 && 0.5 <= found.interval[1]) bits++
  }
  for (const held of [means, bits])
    assert.ok(held / RUNS > 0.92 && held / RUNS < 0.975, `seed 7: ${held} of ${RUNS}`)
})
