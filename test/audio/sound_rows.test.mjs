// Rows of sound as the trainer reads them: laws over random utterances.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { packSounds } from '#lib/audio/sound_packing'
import { SoundRows } from '#lib/audio/sound_rows'
import { epochBatches, packedRows } from '#lib/text/packing'
import { Random } from '#lib/text/random'

const WIDTH = 3
const SPANS = { probability: 0.5, length: 2, least_spans: 1 }

/** Values and labels tell utterance and place. */
function utterances(seed, count = 12) {
  const random = new Random(seed)
  return Array.from({ length: count }, (_, i) => {
    const places = 2 + random.below(20)
    const data = Float32Array.from({ length: places * WIDTH }, (_, j) => 1000 * i + j)
    const labels = Int32Array.from({ length: places }, (_, j) => 100 * i + j)
    const piece = async (from, count) => ({
      data: data.subarray(from * WIDTH, (from + count) * WIDTH),
      width: WIDTH,
    })
    return { places, labels, path: `${i}.wav`, group: '', piece }
  })
}

const rowsOf = (sounds, { join, seed = 4 } = {}) =>
  new SoundRows(sounds, packSounds(sounds, { rowLength: 12, rows: 3, seed, join }), {
    spans: SPANS,
    seeds: [seed, 0],
  })

test('a row holds the frames of its places, and the clusters of those that are hidden, and no others', async () => {
  for (const join of [true, false])
    for (let seed = 1; seed <= 10; seed++) {
      const source = rowsOf(utterances(seed), { join, seed })
      const batch = await packedRows(source, 0, 3)
      let [tokens, targets] = [0, 0]
      for (let row = 0; row < 3; row++) {
        const sound = batch.sounds[row]
        for (let place = 0; place < batch.row_length; place++) {
          const at = row * batch.row_length + place
          const isSound = place < sound.length / WIDTH
          assert.equal(batch.segments[at], isSound ? 0 : -1)
          if (!isSound) assert.deepEqual([batch.labels[at], batch.hidden[at]], [-100, 0])
          else {
            tokens++
            const [first] = sound.subarray(place * WIDTH)
            const [utterance, own] = [Math.floor(first / 1000), (first % 1000) / WIDTH]
            assert.equal(batch.labels[at], batch.hidden[at] ? 100 * utterance + own : -100)
            targets += batch.hidden[at]
          }
        }
      }
      assert.deepEqual([batch.tokens, batch.targets], [tokens, targets])
      assert.ok(targets > 0)
      assert.equal(batch.frame_width, WIDTH)
    }
})

test('a batch is as long as its longest row, and no longer', async () => {
  const source = rowsOf(utterances(3), { join: false })
  for await (const { sounds, row_length, labels, segments, hidden, rows } of epochBatches(source, 3)) {
    assert.equal(row_length, Math.max(...sounds.map(({ length }) => length / WIDTH)))
    for (const values of [labels, segments, hidden]) assert.equal(values.length, rows * row_length)
  }
})

test('other places are hidden each epoch; the same row of the same epoch is the same', async () => {
  const make = () => rowsOf(utterances(5, 6), { join: true, seed: 8 })
  const source = make()
  const row = source.rowsPerEpoch + 1
  const [one, same] = [await packedRows(source, row, 1), await packedRows(make(), row, 1)]
  assert.deepEqual(one.hidden, same.hidden)
  assert.deepEqual(one.sounds, same.sounds)
  const epochs = await Promise.all(
    [0, 1, 2, 3].map((epoch) => packedRows(source, epoch * source.rowsPerEpoch, 1)),
  )
  assert.ok(new Set(epochs.map(({ hidden }) => hidden.join())).size > 1)
})
