import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LengthBuckets } from '#lib/audio/buckets'

const lengths = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 300 })
const options = fc.record({
  rows: fc.integer({ min: 1, max: 8 }),
  seed: fc.nat(),
  leastPlaces: fc.constant(20),
  batchesSorted: fc.integer({ min: 1, max: 10 }),
})
const epochOf = async (buckets, epoch) => {
  const rows = []
  for (let i = 0; i < buckets.rowsPerEpoch; i++)
    rows.push(await buckets.row(epoch * buckets.rowsPerEpoch + i))
  return rows
}

test('an epoch reads every utterance that is long enough once, but for less than a batch', async () => {
  await fc.assert(
    fc.asyncProperty(lengths, options, async (places, given) => {
      fc.pre(places.some((length) => length >= 20))
      const buckets = new LengthBuckets(places, given)
      const kept = places.filter((length) => length >= 20).length
      assert.equal(buckets.dropped, places.length - kept)
      assert.ok(kept - buckets.rowsPerEpoch < Math.max(given.rows, 1) || kept < given.rows)
      const rows = await epochOf(buckets, 1)
      assert.equal(new Set(rows.map(({ utterance }) => utterance)).size, rows.length)
      for (const { utterance, first, count } of rows) {
        assert.ok(places[utterance] >= 20)
        assert.deepEqual([first, count], [0, places[utterance]])
      }
    }),
    { verbose: 1, numRuns: 60 },
  )
})

test('a row is a pure function of its number: asked in any order, by anyone, it is the same', async () => {
  await fc.assert(
    fc.asyncProperty(
      lengths,
      options,
      fc.array(fc.nat(2000), { maxLength: 20 }),
      async (places, given, numbers) => {
        fc.pre(places.some((length) => length >= 20))
        const once = new LengthBuckets(places, { ...given, mostPlaces: 50 })
        for (const number of numbers) {
          const again = new LengthBuckets(places, { ...given, mostPlaces: 50 })
          assert.deepEqual(await once.row(number), await again.row(number))
        }
      },
    ),
    { verbose: 1, numRuns: 60 },
  )
})

test('epochs and seeds have orders of their own', async () => {
  const places = Array.from({ length: 100 }, (_, i) => 50 + ((i * 37) % 100))
  const order = async (seed, epoch) =>
    (await epochOf(new LengthBuckets(places, { rows: 4, seed }), epoch)).map(({ utterance }) => utterance)
  assert.notDeepEqual(await order(1, 0), await order(1, 1))
  assert.notDeepEqual(await order(1, 0), await order(2, 0))
})

test('little of a batch is padding, and batches come in no order of length', async () => {
  const places = Array.from({ length: 4000 }, (_, i) => 20 + ((i * 7919) % 1500))
  const waste = async (batchesSorted) => {
    const rows = await epochOf(new LengthBuckets(places, { rows: 16, seed: 3, batchesSorted }), 0)
    let [heard, room] = [0, 0]
    const longest = []
    for (let i = 0; i < rows.length; i += 16) {
      const counts = rows.slice(i, i + 16).map(({ count }) => count)
      longest.push(Math.max(...counts))
      heard += counts.reduce((sum, count) => sum + count, 0)
      room += 16 * longest.at(-1)
    }
    const rising = longest.slice(1).filter((length, i) => length >= longest[i]).length / longest.length
    return { padding: 1 - heard / room, rising }
  }
  const [sorted, plain] = [await waste(64), await waste(1)]
  assert.ok(sorted.padding < 0.03, `${sorted.padding}`)
  assert.ok(plain.padding > 0.4, `${plain.padding}`)
  assert.ok(Math.abs(sorted.rising - 0.5) < 0.1, `${sorted.rising}`)
})

test('of a longer utterance a part is read, elsewhere each time', async () => {
  const buckets = new LengthBuckets([1000, 30], { rows: 1, seed: 5, mostPlaces: 100 })
  const firsts = new Set()
  for (let row = 0; row < 200; row++) {
    const { utterance, first, count } = await buckets.row(row)
    assert.equal(count, utterance === 0 ? 100 : 30)
    assert.ok(first >= 0 && first + count <= [1000, 30][utterance])
    if (utterance === 0) firsts.add(first)
  }
  assert.ok(firsts.size > 80, `${firsts.size}`)
})

test('utterances that are all too short are refused', () => {
  assert.throws(() => new LengthBuckets([3, 4], { rows: 1, seed: 1, leastPlaces: 10 }), {
    code: 'ERR_DATA',
    message: 'expected utterances of at least 10 places, received 2 shorter ones',
    hint: /fewer places/,
  })
})
