import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { histogramChart } from '#lib/report/chart'
import { Distribution } from '#lib/report/distribution'

const values = fc.array(
  fc.record({
    // As perplexities are: many between 1 and 1000, some absurd, some absent.
    value: fc.oneof(
      fc.double({ min: 1, max: 1000, noNaN: true }),
      fc.constantFrom(1, 10, 15, 1e6, 1e300, Number.POSITIVE_INFINITY, Number.NaN),
    ),
    tokens: fc.integer({ min: 1, max: 500 }),
  }),
  { maxLength: 60 },
)
const distributionOf = (list) =>
  Distribution.of(
    Float64Array.from(list, ({ value }) => value),
    (i) => list[i].tokens,
  )

test('quantiles are those of the sorted values, by documents and by tokens', async () => {
  await fc.assert(
    fc.asyncProperty(values, fc.double({ min: 0.01, max: 1, noNaN: true }), async (list, share) => {
      const spread = await distributionOf(list)
      const sorted = list
        .filter(({ value }) => !Number.isNaN(value))
        .sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0))
      for (const [by, weightOf] of [
        ['documents', () => 1],
        ['tokens', ({ tokens }) => tokens],
      ]) {
        const wanted = share * sorted.reduce((sum, one) => sum + weightOf(one), 0)
        let sum = 0
        const expected = sorted.find((one) => {
          sum += weightOf(one)
          return sum >= wanted
        })
        assert.equal(await spread.quantile(share, by), expected?.value ?? Number.NaN)
      }
    }),
  )
})

test('the bins of a histogram hold all values, touch each other and have the values between their edges', async () => {
  await fc.assert(
    fc.asyncProperty(values, async (list) => {
      const present = list.filter(({ value }) => !Number.isNaN(value))
      const spread = await distributionOf(list)
      const bins = spread.histogram()
      const sum = (key) => bins.reduce((total, bin) => total + bin[key], 0)
      const tokens = present.reduce((total, one) => total + one.tokens, 0)
      assert.deepEqual([sum('documents'), sum('tokens')], [present.length, tokens])
      assert.deepEqual([spread.documents, spread.tokens], [present.length, tokens])
      for (let i = 1; i < bins.length; i++) assert.equal(bins[i].from, bins[i - 1].to)
      if (bins.length > 0) assert.ok(bins[0].documents > 0 && bins.at(-1).documents > 0)
      for (const { from, to, documents } of bins) {
        const near = 1e-5 // edges are shown in six digits
        const within = ({ value }) => value >= from * (1 + near) && value < (to ?? Infinity) * (1 - near)
        const touched = ({ value }) => value >= from * (1 - near) && value <= (to ?? Infinity) * (1 + near)
        assert.ok(present.filter(within).length <= documents)
        assert.ok(present.filter(touched).length >= documents)
      }
    }),
  )
})

test('a histogram is drawn with its axes and the value that is marked', async () => {
  const bins = [
    { from: 10, to: 12.5893, count: 4 },
    { from: 12.5893, to: 15.8489, count: 7 },
    { from: 15.8489, to: null, count: 1 },
  ]
  const svg = await histogramChart({
    title: 'T',
    x: 'perplexity',
    y: 'documents',
    bins,
    mark: { at: 15, name: 'max 15' },
  })
  assert.match(svg, /^<svg /)
  for (const text of ['perplexity', 'documents', 'max 15']) assert.ok(svg.includes(`>${text}<`), text)
  assert.equal(svg.match(/aria-roledescription="rect mark"/g)?.length, 3)
  const empty = await histogramChart({ title: 'T', x: 'x', y: 'y', bins: [] })
  assert.match(empty, /^<svg /)
})
