import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  acc,
  accBytes,
  accNorm,
  argmax,
  mean,
  PERPLEXITIES,
  pooled,
  shareOfTruth,
  stderrOfMean,
} from '#lib/tasks/metrics'

const scored = (log_likelihoods, answers, gold) => ({
  log_likelihoods,
  question: { context: '', answers, gold },
})
const close = (a, b, tolerance = 1e-12) =>
  assert.ok(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)), `${a} and ${b}`)

test('the likeliest answer counts: as it is, by character and by byte; the first of equals wins', () => {
  const answers = ['ab', 'abcd', '日本']
  assert.equal(acc(scored([-4, -6, -5], answers, 0)), 1)
  assert.equal(accNorm(scored([-4, -6, -5], answers, 1)), 1) // -2, -1.5, -2.5
  assert.equal(accBytes(scored([-4, -6, -5], answers, 2)), 1) // -2, -1.5, -0.83
  assert.equal(acc(scored([-1, -1], answers, 0)), 1)
  assert.equal(acc(scored([-1, -2, -3], answers, [2, 0])), 1)
  assert.equal(acc(scored([-1, -2, -3], answers, -1)), 0)
  assert.equal(argmax([1, Number.NaN, 5]), 1)
})

test('the share of truth is 1 where all is true, 0 where nothing is, and does not see a common factor', () => {
  const numbers = fc.array(fc.double({ min: -50, max: 0, noNaN: true }), { minLength: 2, maxLength: 6 })
  fc.assert(
    fc.property(numbers, fc.double({ min: -20, max: 0, noNaN: true }), (values, shift) => {
      const all = values.map((_, i) => i)
      close(shareOfTruth(scored(values, [], all)), 1)
      assert.equal(shareOfTruth(scored(values, [], [])), 0)
      const moved = values.map((value) => value + shift)
      close(shareOfTruth(scored(moved, [], [0])), shareOfTruth(scored(values, [], [0])), 1e-9)
    }),
  )
})

test('the error of a mean is that of the sample; of one document there is none', () => {
  assert.equal(stderrOfMean([3]), null)
  close(stderrOfMean([1, 2, 3, 4]), Math.sqrt(5 / 3) / 2)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 2, maxLength: 200 }), (hits) => {
      const p = mean(hits)
      close(stderrOfMean(hits), Math.sqrt((p * (1 - p)) / (hits.length - 1)))
    }),
  )
})

test('a group is the mean over all documents, and one part of it is that part', () => {
  const parts = fc.array(fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 2, maxLength: 40 }), {
    minLength: 1,
    maxLength: 6,
  })
  const partOf = (values) => ({ value: mean(values), stderr: stderrOfMean(values), documents: values.length })
  fc.assert(
    fc.property(parts, (values) => {
      const whole = pooled(values.map(partOf))
      assert.equal(whole.documents, values.flat().length)
      close(whole.value, mean(values.flat()))
      if (values.length === 1) close(whole.stderr, stderrOfMean(values[0]))
    }),
  )
  assert.equal(pooled([partOf([1, 0]), partOf([1])]).stderr, null)
})

test('perplexities weigh texts by their words and bytes, and a split changes nothing', () => {
  const text = { log_likelihood: -20, words: 5, bytes: 40 }
  close(PERPLEXITIES.word_perplexity([text]), Math.exp(4))
  close(PERPLEXITIES.byte_perplexity([text]), Math.exp(0.5))
  close(PERPLEXITIES.bits_per_byte([text]), 0.5 / Math.LN2)
  const halves = [
    { log_likelihood: -15, words: 2, bytes: 8 },
    { log_likelihood: -5, words: 3, bytes: 32 },
  ]
  for (const of of Object.values(PERPLEXITIES)) close(of(halves), of([text]))
})
