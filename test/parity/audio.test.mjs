// Sound against torchaudio, k-means against scikit-learn.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FrontEnd } from '#lib/audio/front_end'
import { checkFrontEndConfig } from '#lib/audio/front_end_config'
import { native, runJob } from '#lib/native'
import { temporaryFolder } from '../helpers/folders.mjs'
import { audioReference } from '../helpers/reference.mjs'
import { glide, toInt16 } from '../helpers/sounds.mjs'
import { noise } from '../helpers/tiny_speech.mjs'

const CONFIGS = [
  { sampling_rate: 16000, num_mel_bins: 40, window: 'hamming' },
  { sampling_rate: 8000, num_mel_bins: 40, window: 'hamming' },
  { sampling_rate: 16000, num_mel_bins: 80, window: 'povey', preemphasis: 0.5 },
  { sampling_rate: 22050, num_mel_bins: 23, window: 'hann', frame_length_ms: 32, frame_shift_ms: 8 },
  { sampling_rate: 11025, num_mel_bins: 24, window: 'rectangular', preemphasis: 0 },
]

/** Whole numbers of 16 bits: a glide with noise, and silence in its midst. */
function spoken(rate) {
  const sound = glide({ rate, seconds: 1, to: rate / 3 })
  const hiss = noise(sound.length, 11)
  const samples = Array.from(sound, (value, i) => toInt16(value + hiss[i] * 0.01))
  return samples.fill(0, rate >> 1, (rate * 5) >> 3)
}

const worst = (ours, theirs) => {
  assert.equal(ours.length, theirs.length)
  return theirs.reduce((most, value, i) => Math.max(most, Math.abs(value - ours[i])), 0)
}

test("log-mel features are torchaudio's, and those of the plain reference, to 1e-4", async (t) => {
  const cases = CONFIGS.map((config) => ({ config, samples: spoken(config.sampling_rate) }))
  const answers = await audioReference(['fbank'], cases)
  for (const [i, { config, samples }] of cases.entries()) {
    const whole = { feature_extractor_type: 'MelHubertFeatureExtractor', ...config }
    const audio = {
      samples: Float32Array.from(samples, (value) => value / 32768),
      rate: config.sampling_rate,
    }
    const { data } = await new FrontEnd(checkFrontEndConfig(whole, 'test')).sound(audio)
    for (const [name, frames] of Object.entries(answers[i])) {
      const difference = worst(data, frames.flat())
      t.diagnostic(`${config.window} ${config.sampling_rate}, ${name}: ${difference.toExponential(1)}`)
      assert.ok(difference < 1e-4, `${name} ${JSON.stringify(config)}: ${difference}`)
    }
  }
})

test("resampled sound is torchaudio's with the same filter, to 1e-5", async (t) => {
  const pairs = [
    [44100, 16000],
    [48000, 16000],
    [8000, 16000],
    [22050, 16000],
    [16000, 11025],
  ]
  const cases = pairs.map(([from, to]) => ({ from, to, samples: Array.from(noise(from / 4, from)) }))
  const answers = await audioReference(['resample'], cases)
  for (const [i, { from, to, samples }] of cases.entries()) {
    const ours = await runJob('resample', { samples: Float32Array.from(samples), from, to, threads: 1 })
    const difference = worst(new Float32Array(ours.samples), answers[i])
    t.diagnostic(`${from} to ${to}: ${difference.toExponential(1)}`)
    assert.ok(difference < 1e-5, `${from} to ${to}: ${difference}`)
  }
})

test("clusters fit as closely as scikit-learn's, after as many batches", async (t) => {
  const file = join(temporaryFolder(), 'points.f32')
  const sizes = { clusters: 64, batches: 200, batch_size: 1000 }
  const seeds = [1, 2, 3, 4, 5]
  const theirs = await audioReference(['clusters'], { file, seeds, ...sizes })
  const bytes = readFileSync(file)
  const frames = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
  const points = await runJob('makePoints', { width: theirs.width, expected: 20000 })
  await runJob('addPoints', { points, frames })
  const ours = []
  for (const seed of seeds) {
    const call = { ...sizes, points, seed, start_points: 4096, full_steps: 0, threads: 1 }
    ours.push((await runJob('kMeans', { ...call, path: `${file}.${seed}` })).inertia)
  }
  native().dispose(points)
  const median = (values) => values.toSorted((a, b) => a - b)[2]
  const ratio = median(ours) / median(theirs.inertia)
  t.diagnostic(
    `inertia ${median(ours).toFixed(4)} against ${median(theirs.inertia).toFixed(4)}: ${ratio.toFixed(4)}`,
  )
  assert.ok(ratio < 1.02, `${ratio}`)
})
