import assert from 'node:assert/strict'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { test } from 'node:test'
import fc from 'fast-check'
import { Random } from '#lib/text/random'

const take = (random, count) => Array.from({ length: count }, () => random.uint32())

test('the first numbers of a seed are these, on every machine', () => {
  assert.deepEqual(take(new Random(1), 4), [1816718198, 3862340320, 229255354, 1209098066])
  assert.deepEqual(take(new Random(2 ** 40, 3), 2), [1508562496, 704053179])
})

test('the generator steps as xoshiro128** does', () => {
  // The published algorithm in 64-bit-safe arithmetic, from the same state.
  const random = new Random(7)
  let s = [...random.state].map(BigInt)
  const mask = 0xffffffffn
  const rotl = (x, k) => ((x << k) | (x >> (32n - k))) & mask
  for (let i = 0; i < 100; i++) {
    const expected = (rotl((s[1] * 5n) & mask, 7n) * 9n) & mask
    const t = (s[1] << 9n) & mask
    s = [s[0], s[1], s[2] ^ s[0], s[3] ^ s[1]]
    s = [s[0] ^ s[3], s[1] ^ s[2], s[2] ^ t, rotl(s[3], 11n)]
    assert.equal(BigInt(random.uint32()), expected)
  }
})

test('different seeds, and the same numbers in another order, give different sequences', () => {
  const seen = new Set()
  const seeds = [[0], [1], [0, 0], [0, 1], [1, 0], [2 ** 32], [2 ** 32 + 1], [2 ** 53 - 1], []]
  for (const seed of seeds) seen.add(take(new Random(...seed), 4).join())
  assert.equal(seen.size, seeds.length)
})

test('numbers below a limit are in range and fall evenly', () => {
  const counts = new Array(6).fill(0)
  const random = new Random(11)
  for (let i = 0; i < 60000; i++) counts[random.below(6)]++
  // Five standard deviations of a fair die.
  for (const count of counts)
    assert.ok(Math.abs(count - 10000) < 5 * Math.sqrt(60000 * (1 / 6) * (5 / 6)), `${counts}`)
  assert.equal(random.below(1), 0)
  // A plain remainder would give the first third of this range half of the numbers.
  const low = Array.from({ length: 3000 }, () => random.below(3 * 2 ** 30)).filter((value) => value < 2 ** 30)
  assert.ok(Math.abs(low.length - 1000) < 5 * Math.sqrt(3000 * (1 / 3) * (2 / 3)), `${low.length}`)
  for (let i = 0; i < 100; i++) assert.ok(random.below(2 ** 32) < 2 ** 32)
})

test('a permutation holds every number once, and is a function of the seed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), fc.maxSafeNat(), (count, seed) => {
      const order = new Random(seed).permutation(count)
      assert.deepEqual(
        [...order].sort((a, b) => a - b),
        Array.from({ length: count }, (_, i) => i),
      )
      assert.deepEqual(new Random(seed).permutation(count), order)
    }),
  )
})

test('all orders of three things come up equally often', () => {
  const counts = new Map()
  const random = new Random(5)
  for (let i = 0; i < 12000; i++) {
    const key = random.permutation(3).join('')
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  assert.equal(counts.size, 6)
  for (const count of counts.values())
    assert.ok(Math.abs(count - 2000) < 5 * Math.sqrt(12000 * (1 / 6) * (5 / 6)))
})

test('a long permutation is the same one, and holds up no other work', async () => {
  for (const count of [0, 1, 2, 7, 100_001])
    assert.deepEqual(await new Random(4, 2).longPermutation(count), new Random(4, 2).permutation(count))
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await new Random(1).longPermutation(3_000_000)
  delay.disable()
  assert.ok(delay.percentile(99) < 50e6, `${delay.percentile(99) / 1e6} ms`)
})
