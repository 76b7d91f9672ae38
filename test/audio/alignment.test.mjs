import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { labelAt, readAlignment } from '#lib/audio/alignment'
import { FrontEnd } from '#lib/audio/front_end'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'

const file = (text, name = 'a.tsv') => join(temporaryFolder({ [name]: text }), name)

test('segments of a .tsv come in their order, a head and empty lines are passed over', async () => {
  const read = await readAlignment(file('begin\tend\tlabel\r\n0.5\t0.75\tB b\r\n\r\n0\t0.5\tA\r\n'))
  assert.deepEqual(read, [
    { begin: 0, end: 0.5, label: 'A' },
    { begin: 0.5, end: 0.75, label: 'B b' },
  ])
})

test('of a tree the leaves are the segments', async () => {
  const phone = (b, d, t) => ({ b, d, t, p: 1 })
  const words = [
    { b: 0, d: 0.5, t: 'an', w: [phone(0, 0.25, 'AE'), phone(0.25, 0.25, 'N')] },
    { b: 0.5, d: 0.5, t: 'I', w: [] },
  ]
  const read = await readAlignment(file(JSON.stringify({ b: 0, d: 1, t: 'an I', w: words }), 'a.json'))
  assert.deepEqual(
    read.map(({ begin, end, label }) => [begin, end, label]),
    [
      [0, 0.25, 'AE'],
      [0.25, 0.5, 'N'],
      [0.5, 1, 'I'],
    ],
  )
})

test('an instant has the label of the segment that it lies in, its begin included and its end not', () => {
  const segments = [
    { begin: 0.1, end: 0.2, label: 'A' },
    { begin: 0.2, end: 0.3, label: 'B' },
    { begin: 0.5, end: 0.6, label: 'C' },
  ]
  const labels = [0, 0.1, 0.19, 0.2, 0.3, 0.4, 0.5, 0.59, 0.6, 9].map((second) => labelAt(segments, second))
  assert.deepEqual(labels, [
    ...[undefined, 'A', 'A', 'B', undefined, undefined, 'C', 'C', undefined, undefined],
  ])
  assert.equal(labelAt([], 1), undefined)
})

test('a tree with a leaf that says no time is refused with its place', async () => {
  const tree = file(
    JSON.stringify({
      w: [
        { b: 0, d: 1, t: 'a' },
        { b: 1, t: 'b' },
      ],
    }),
    'a.json',
  )
  await assert.rejects(readAlignment(tree), {
    code: 'ERR_DATA',
    message: /a\.json: w\.1: expected \{b, d, t\}.*received \{"b":1,"t":"b"\}/,
    hint: /begin, end, label/,
  })
  await assert.rejects(readAlignment(file('0\t0\tA\n')), {
    code: 'ERR_DATA',
    message: /a\.tsv:1: expected begin/,
  })
  await assert.rejects(readAlignment(join(temporaryFolder(), 'none.tsv')), { code: 'ERR_NOT_FOUND' })
})

test('the middle of a place is that of what it is made of', () => {
  const mel = (stacked_frames) => ({
    ...{ feature_extractor_type: 'MelHubertFeatureExtractor', sampling_rate: 16000, num_mel_bins: 40 },
    ...{ frame_length_ms: 25, frame_shift_ms: 10, stacked_frames },
  })
  const middles = (config) => [0, 1, 10].map((place) => new FrontEnd(config).middleOf(place) * 1000)
  assert.deepEqual(middles(mel(1)), [12.5, 22.5, 112.5])
  assert.deepEqual(middles(mel(2)), [17.5, 37.5, 217.5])
  const samples = { feature_extractor_type: 'Wav2Vec2FeatureExtractor', sampling_rate: 16000 }
  assert.deepEqual(middles(samples), [12.5, 32.5, 212.5]) // of 400 samples, a place every 320
})

dataTest('the phones of read speech fill it without a gap', 'speech/librivox', async (_, folder) => {
  const name = 'sense_and_sensibility_01_austen_64kb-0870.phone.json'
  const read = await readAlignment(join(folder, name))
  assert.equal(read[0].begin, 0)
  assert.ok(Math.abs(read.at(-1).end - 7.1) < 0.01)
  assert.deepEqual(
    read.slice(0, 4).map(({ label }) => label),
    ['SIL', 'AE', 'N', 'D'],
  )
  for (const [i, { begin }] of read.entries())
    if (i > 0) assert.ok(Math.abs(begin - read[i - 1].end) < 1e-6, `${begin}`)
})
