// How utterances become rows: laws over random lengths and groups.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { packSounds } from '#lib/audio/sound_packing'
import { Random } from '#lib/text/random'

function randomUtterances(seed, count = 40) {
  const random = new Random(seed)
  return Array.from({ length: count }, () => ({
    places: 1 + random.below(60),
    group: `speaker ${random.below(3)}`,
  }))
}

const rowsOf = (packing, epoch = 0) =>
  Promise.all(
    Array.from({ length: packing.rowsPerEpoch }, (_, i) => packing.row(epoch * packing.rowsPerEpoch + i)),
  )
const length = (row) => row.reduce((sum, { count }) => sum + count, 0)

/** How often each place of each utterance is in the rows. */
function coverage(utterances, rows) {
  const seen = utterances.map(({ places }) => new Int32Array(places))
  for (const { utterance, from, count } of rows.flat()) {
    assert.ok(count > 0 && from >= 0 && from + count <= utterances[utterance].places)
    for (let place = from; place < from + count; place++) seen[utterance][place]++
  }
  return seen
}

test('joined, every place of every utterance is there once an epoch, and rows are full but for one a group', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const utterances = randomUtterances(seed)
    const packing = packSounds(utterances, { rowLength: 25, rows: 4, seed, join: true })
    for (const epoch of [0, 3]) {
      const rows = await rowsOf(packing, epoch)
      for (const seen of coverage(utterances, rows))
        assert.ok(
          seen.every((times) => times === 1),
          `seed ${seed}`,
        )
      assert.ok(rows.filter((row) => length(row) < 25).length <= 3, `seed ${seed}`)
      for (const row of rows) {
        assert.ok(length(row) <= 25)
        assert.equal(new Set(row.map(({ utterance }) => utterances[utterance].group)).size, 1)
      }
    }
  }
})

test('apart, each utterance is there once an epoch, a long one by a stretch that differs between epochs', async () => {
  const utterances = randomUtterances(5)
  const packing = packSounds(utterances, { rowLength: 20, rows: 4, seed: 9, join: false })
  const starts = new Set()
  for (let epoch = 0; epoch < 5; epoch++) {
    const rows = await rowsOf(packing, epoch)
    const order = rows.map(([{ utterance }]) => utterance)
    assert.deepEqual(
      [...order].sort((a, b) => a - b),
      [...utterances.keys()],
    )
    for (const [{ utterance, from, count }] of rows) {
      assert.equal(count, Math.min(20, utterances[utterance].places))
      assert.ok(from >= 0 && from + count <= utterances[utterance].places)
      if (utterances[utterance].places > 40) starts.add(`${utterance} ${from}`)
    }
  }
  const long = utterances.filter(({ places }) => places > 40).length
  assert.ok(starts.size > long, `${starts.size} starts of ${long} long utterances`)
})

test('held out, in their own order, and a long utterance is cut into all its stretches', async () => {
  const utterances = randomUtterances(6)
  for (const join of [true, false]) {
    const packing = packSounds(utterances, { rowLength: 20, rows: 4, join })
    const rows = await rowsOf(packing)
    for (const seen of coverage(utterances, rows)) assert.ok(seen.every((times) => times === 1))
    assert.deepEqual(await rowsOf(packing, 1), rows)
  }
})

test('a row is the same whenever it is asked for: resuming needs no state', async () => {
  for (const join of [true, false]) {
    const make = () => packSounds(randomUtterances(7), { rowLength: 20, rows: 4, seed: 3, join })
    const [one, other] = [make(), make()]
    const number = 2 * one.rowsPerEpoch + 5
    await one.row(0)
    assert.deepEqual(await one.row(number), await other.row(number))
    const first = await Promise.all([0, 1, 2, 3, 4, 5].map((row) => one.row(row)))
    const next = await Promise.all([0, 1, 2, 3, 4, 5].map((row) => one.row(row + one.rowsPerEpoch)))
    assert.notDeepEqual(first, next)
  }
})
