import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { FrontEnd } from '#lib/audio/front_end'
import { checkFrontEndConfig, readFrontEndConfig, writeFrontEndConfig } from '#lib/audio/front_end_config'
import { listAudio } from '#lib/audio/list'
import { melStatistics } from '#lib/audio/statistics'
import { hearAll } from '#lib/audio/stream'
import { temporaryFolder } from '../helpers/folders.mjs'
import { glide, wav } from '../helpers/sounds.mjs'

const MEL = { feature_extractor_type: 'MelHubertFeatureExtractor', sampling_rate: 16000 }
const SAMPLES = { feature_extractor_type: 'Wav2Vec2FeatureExtractor', sampling_rate: 16000 }
const frontEnd = (config, more) => new FrontEnd(checkFrontEndConfig(config, 'test'), more)

test('places are foretold from lengths alone, of frames, stacked frames and convolutions', async () => {
  const convolutions = [
    { kernel: 10, stride: 5 },
    { kernel: 3, stride: 2 },
  ]
  const ends = [frontEnd(MEL), frontEnd({ ...MEL, stacked_frames: 2 }), frontEnd(SAMPLES, { convolutions })]
  for (const [rate, seconds] of [
    [16000, 0.5],
    [16000, 0.4321],
    [8000, 0.5],
    [44100, 0.333],
    [16000, 0.02],
  ]) {
    const samples = glide({ rate, seconds })
    for (const end of ends) {
      const { data, width, places } = await end.sound({ samples, rate })
      assert.equal(places, end.places(samples.length, rate))
      if (width > 0) assert.equal(data.length, places * width)
      else assert.equal(data.length, Math.ceil((samples.length * 16000) / rate))
    }
  }
  assert.equal(frontEnd(SAMPLES).places(16000, 16000), 49) // HuBERT's second
  assert.equal(frontEnd(MEL).leastSeconds, 0.025)
  assert.equal(frontEnd(SAMPLES).leastSeconds, 0.025)
})

test('a piece is as much as its places are made of, and no more', () => {
  const data = Float32Array.from({ length: 16000 }, (_, i) => i)
  const samples = frontEnd(SAMPLES)
  for (const [from, count] of [
    [0, 1],
    [0, 49],
    [7, 12],
  ]) {
    const piece = samples.piece(data, from, count)
    assert.deepEqual([piece[0], piece.length], [320 * from, 320 * (count - 1) + 400])
    assert.equal(samples.places(piece.length, 16000), count)
    assert.equal(samples.places(piece.length - 1, 16000), count - 1)
  }
  const frames = frontEnd({ ...MEL, stacked_frames: 2 }).piece(data, 3, 2)
  assert.deepEqual([frames[0], frames.length], [3 * 80, 2 * 80])
})

test('every second label of 10 ms is one for each place of 20 ms, stacked or HuBERT-like', () => {
  const [single, stacked, hubert] = [
    frontEnd(MEL),
    frontEnd({ ...MEL, stacked_frames: 2 }),
    frontEnd(SAMPLES),
  ]
  for (let samples = 400; samples < 3000; samples += 7) {
    const labels = Math.ceil(single.places(samples, 16000) / 2)
    assert.equal(stacked.places(samples, 16000), labels)
    assert.equal(hubert.places(samples, 16000), labels)
  }
})

test('samples get mean 0 and variance 1 unless the model wants them as they are', async () => {
  const samples = glide().map((value) => value + 0.1)
  const { data, width } = await frontEnd(SAMPLES).sound({ samples, rate: 16000 })
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length
  const variance = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length
  assert.equal(width, 0)
  assert.ok(Math.abs(mean) < 1e-5 && Math.abs(variance - 1) < 1e-4, `${mean} ${variance}`)
  const plain = frontEnd({ ...SAMPLES, do_normalize: false })
  assert.deepEqual((await plain.sound({ samples, rate: 16000 })).data, samples)
})

test('a front end is written and read back, with what it does not say at its defaults', async () => {
  const folder = temporaryFolder()
  const config = checkFrontEndConfig({ ...MEL, mean: Array(40).fill(1.5), std: Array(40).fill(2) }, 'test')
  assert.equal(config.num_mel_bins, 40)
  await writeFrontEndConfig(folder, config)
  assert.deepEqual(await readFrontEndConfig(folder), config)
  assert.deepEqual((await FrontEnd.open(folder)).config, config)
})

test("transformers' file is read, keys that are not ours passed over", async () => {
  const folder = temporaryFolder({
    'preprocessor_config.json': {
      do_normalize: false,
      feature_extractor_type: 'Wav2Vec2FeatureExtractor',
      feature_size: 1,
      padding_side: 'right',
      padding_value: 0.0,
      processor_class: 'Wav2Vec2Processor',
      return_attention_mask: true,
      sampling_rate: 16000,
    },
    'config.json': { conv_kernel: [8, 4], conv_stride: [4, 4] },
  })
  const end = await FrontEnd.open(folder)
  assert.equal(end.config.do_normalize, false)
  assert.equal(end.places(100, 16000), 6)
})

test('a front end that cannot be is refused by key', async () => {
  const refused = (config, message) =>
    assert.throws(() => checkFrontEndConfig(config, 'p.json'), { code: 'ERR_MODEL_CONFIG', message })
  refused(
    { ...MEL, num_mel_bins: 0 },
    /p\.json: num_mel_bins: expected a whole number from 1 to 1024, received 0/,
  )
  refused({ ...MEL, window: 'kaiser' }, /window: expected one of hamming, hann, povey, rectangular/)
  refused({ ...MEL, stacked_frames: 3 }, /stacked_frames: expected a whole number from 1 to 2/)
  refused({ ...MEL, mean: [1, 2] }, /mean: expected 40 numbers, one a bin/)
  refused({ ...MEL, std: Array(40).fill(0) }, /std: expected numbers above 0/)
  refused({ ...SAMPLES, feature_size: 2 }, /feature_size: expected 1, received 2/)
  refused({ ...SAMPLES, feature_extractor_type: 'WhisperFeatureExtractor' }, /feature_extractor_type/)
  const bad = temporaryFolder({
    'preprocessor_config.json': SAMPLES,
    'config.json': { conv_kernel: [1], conv_stride: [] },
  })
  await assert.rejects(FrontEnd.open(bad), { code: 'ERR_MODEL_CONFIG', message: /conv_kernel, conv_stride/ })
  await assert.rejects(FrontEnd.open(temporaryFolder()), { code: 'ERR_NOT_FOUND' })
})

test('a filterbank of more bins than its frames can tell apart is refused as it is made', async () => {
  const end = frontEnd({ ...MEL, num_mel_bins: 300 })
  await assert.rejects(end.sound({ samples: glide(), rate: 16000 }), {
    code: 'ERR_AUDIO',
    message: /expected fewer bins, received 300/,
    hint: /40 bins/,
  })
})

const spoken = () =>
  temporaryFolder({
    'a.wav': wav(glide({ seconds: 0.7 })),
    'b.wav': wav(glide({ seconds: 0.3, from: 500, level: 0.1 })),
    'c.wav': wav(glide({ seconds: 0.5, to: 3000, rate: 8000 }), { rate: 8000 }),
  })

test('statistics are those of all frames, and make mean 0 and deviation 1 of them', async () => {
  const { utterances } = await listAudio([{ path: spoken() }])
  const done = []
  const found = await melStatistics(utterances, frontEnd(MEL), {
    onProgress: ({ done: count }) => done.push(count),
  })
  assert.deepEqual(done, [1, 2, 3])
  assert.equal(found.frames, 68 + 28 + 48)
  const normalised = frontEnd({ ...MEL, mean: found.mean, std: found.std })
  const sums = Array.from({ length: 40 }, () => [0, 0])
  for await (const { sound } of hearAll(utterances, normalised))
    for (const [i, value] of sound.data.entries()) {
      sums[i % 40][0] += value
      sums[i % 40][1] += value * value
    }
  for (const [sum, squares] of sums) {
    assert.ok(Math.abs(sum / found.frames) < 1e-5)
    assert.ok(Math.abs(squares / found.frames - 1) < 1e-4)
  }
  // Float64 all through: in one pass of another order the same to the last digits.
  const backwards = await melStatistics(utterances.toReversed(), frontEnd(MEL))
  for (const [i, mean] of found.mean.entries())
    assert.ok(Math.abs(mean - backwards.mean[i]) < 1e-12 * Math.abs(mean))
})

test('there are no statistics of silence, nor of nothing', async () => {
  const folder = temporaryFolder({
    'a.wav': wav(new Float32Array(8000)),
    'b.wav': wav(new Float32Array(100)),
  })
  const { utterances } = await listAudio([{ path: folder }])
  const told = (message) => ({ code: 'ERR_AUDIO', message, hint: 'Is there sound in the files?' })
  await assert.rejects(
    melStatistics(utterances, frontEnd(MEL)),
    told(/bin 0 of the filterbank: expected values that differ/),
  )
  await assert.rejects(melStatistics(utterances.slice(1), frontEnd(MEL)), told(/received none/))
})

test('utterances are heard in their order, and a file that is damaged behind its head is told', async () => {
  const folder = spoken()
  const { utterances } = await listAudio([{ path: folder }])
  const names = []
  for await (const { utterance, sound } of hearAll(utterances, frontEnd(MEL)))
    names.push([utterance.name, sound.places])
  assert.deepEqual(names, [
    ['a.wav', 68],
    ['b.wav', 28],
    ['c.wav', 48],
  ])
  utterances[1].path = join(folder, 'gone.wav')
  const reading = (async () => {
    for await (const _ of hearAll(utterances, frontEnd(MEL)));
  })()
  await assert.rejects(reading, { code: 'ERR_NOT_FOUND', message: /gone\.wav/ })
})
