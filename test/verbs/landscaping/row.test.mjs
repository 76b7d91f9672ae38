// What points are timed on and counted for: tokens of text, seconds of sound.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { landscapeSchema } from '#lib/config/landscape'
import { measuredRow, measureFor } from '#lib/verbs/landscaping/row'
import { encoderConfig } from '../../helpers/tiny_encoder.mjs'
import { tinyConfig } from '../../helpers/tiny_model.mjs'
import { hubertConfig, miniatureMelHubert } from '../../helpers/tiny_speech.mjs'

const measure = (given) => landscapeSchema.shape.measure.parse(given)
const [decoder, encoder, mel, hubert] = [
  tinyConfig(),
  encoderConfig(),
  miniatureMelHubert,
  hubertConfig(),
].map((config) => modelSpec(config))
const rowOf = (spec, given) => {
  const chosen = measureFor(spec, measure(given), 'landscape.yaml')
  return measuredRow(spec, '/no/such/folder', chosen, 'landscape.yaml')
}
const refused = (spec, given, key, message, hint) =>
  assert.rejects(async () => rowOf(spec, given), {
    code: 'ERR_CONFIG',
    message,
    hint,
    details: { file: 'landscape.yaml', key },
  })

test('text is 128 tokens unless it says otherwise, sound five seconds', async () => {
  assert.deepEqual(await rowOf(decoder, {}), { tokens: 128, length: 128, macs: { tokens: 128 } })
  assert.equal((await rowOf(encoder, { tokens: 16 })).tokens, 16)
  assert.deepEqual(measureFor(mel, measure({}), 'f').seconds, 5)
  assert.equal(measureFor(mel, measure({ tokens: 9 }), 'f').seconds, undefined)
})

test('of sound the model reads frames, or samples, of just that length', async () => {
  // 25 ms every 10 ms, two of them a place: the last 35 ms of 5 s are too short for a place.
  const five = await rowOf(mel, { seconds: 5 })
  assert.deepEqual(five, { tokens: 249, length: 249, seconds: 5, macs: { seconds: 5, rate: 16000 } })
  const places = await rowOf(mel, { tokens: 250 })
  assert.deepEqual(places, { tokens: 250, length: 250, seconds: 5.005, macs: { tokens: 250 } })
  const heard = await rowOf(hubert, { seconds: 0.1 })
  assert.deepEqual(heard, { tokens: 79, length: 1600, seconds: 0.1, macs: { seconds: 0.1, rate: 16000 } })
  const samples = await rowOf(hubert, { tokens: 79 })
  assert.deepEqual([samples.tokens, samples.length], [79, 30 + 20 * 78])
})

test('a length of the wrong kind, two of them, and none to speak of are refused', async () => {
  await refused(
    ...[decoder, { seconds: 5 }, 'measure.seconds'],
    'landscape.yaml: measure.seconds: expected a speech encoder, received a model of text',
    'Give tokens alone.',
  )
  await refused(
    ...[mel, { seconds: 5, tokens: 250 }, 'measure.seconds'],
    'landscape.yaml: measure.seconds: expected seconds or tokens, received both',
    'Give one of them alone.',
  )
  await refused(
    ...[mel, { seconds: 0.03 }, 'measure.seconds'],
    'landscape.yaml: measure.seconds: expected sound of two places at least, 0.045 s, received 0.03',
    'A second or more tells something of speed.',
  )
  await refused(
    ...[encoder, { tokens: 1000 }, 'measure.tokens'],
    /expected at most \d+ of \d+ positions, received 1000/,
    /lower/,
  )
})
