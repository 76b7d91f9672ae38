import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '#lib/text/random'
import { spearman } from '#lib/verbs/attending/spearman'

const drawn = (seed, count) => {
  const random = new Random(seed)
  return Array.from({ length: count }, () => random.below(1000))
}

test('rho of pairs with equal values is that of their mean ranks', () => {
  // The example in the documentation of scipy.stats.spearmanr.
  assert.ok(Math.abs(spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7], 1).rho - 0.8207826816681233) < 1e-12)
})

test('only order counts: what keeps it changes nothing, what turns it around changes the sign', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const [a, b] = [drawn(seed, 30), drawn(seed + 100, 30)]
    const { rho, p } = spearman(a, b, 7)
    const grown = spearman(
      a.map((x) => x ** 3 - 5),
      b.map((x) => Math.exp(x / 100)),
      7,
    )
    assert.deepEqual(grown, { rho, p }, `seed ${seed}`)
    const turned = spearman(
      a,
      b.map((x) => -x),
      7,
    )
    assert.deepEqual(turned, { rho: -rho, p }, `seed ${seed}`)
    const order = new Random(seed).permutation(30)
    const mixed = spearman(
      [...order].map((i) => a[i]),
      [...order].map((i) => b[i]),
      7,
    )
    assert.ok(Math.abs(mixed.rho - rho) < 1e-12, `seed ${seed}`)
    assert.ok(Math.abs(mixed.p - p) < 0.03, `seed ${seed}: ${mixed.p}, ${p}`)
  }
})

test('p is how often chance gives as much: counted out for few, uniform where there is nothing', () => {
  const three = spearman([1, 2, 3], [10, 20, 30], 1)
  assert.equal(three.rho, 1)
  assert.ok(Math.abs(three.p - 2 / 6) < 0.02, String(three.p))
  const all = drawn(3, 40)
  assert.equal(spearman(all, all, 1).p, 1e-4)
  const ps = Array.from({ length: 60 }, (_, i) => spearman(drawn(i, 12), drawn(i + 1000, 12), i).p)
  const mean = ps.reduce((sum, p) => sum + p, 0) / ps.length
  assert.ok(mean > 0.4 && mean < 0.6, String(mean))
})

test('the same seed draws the same, and values that are all alike have no rank', () => {
  const [a, b] = [drawn(1, 20), drawn(2, 20)]
  assert.deepEqual(spearman(a, b, 5), spearman(a, b, 5))
  assert.deepEqual(spearman(a, Array(20).fill(3), 5), { rho: null, p: null })
})
