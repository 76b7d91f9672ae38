// Published figures of speech encoders come out of the closed forms to the last digit.
// SUPERB's for HuBERT: 32 utterances of LibriSpeech test-clean, every 82nd by length, one at a time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { speechSpec } from '#lib/checkpoint/speech_config'
import { countMacs, lengthFor, positionsOf } from '#lib/counting/macs'
import { parameterParts, totalOf } from '#lib/counting/parameters'
import { modelSize } from '#lib/counting/registry'
import { miniatureMelHubert } from '../helpers/tiny_speech.mjs'

const SAMPLES = [
  20560, 34560, 38480, 42560, 45600, 48720, 52000, 55120, 59120, 62720, 66400, 71200, 75200, 78640, 82800,
  87520, 92720, 98560, 104400, 111120, 118480, 125040, 132720, 142640, 154000, 166720, 180880, 197920, 217920,
  239280, 268160, 326000,
]
const SECOND = 16000

const base = {
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
}
const sizeOf = (config) => modelSize(speechSpec(config))
const melHubert = ({ layers = 12, stacked = 2, heads, feed_forward } = {}) =>
  sizeOf({
    ...{ ...base, model_type: 'melhubert', feat_emb_dim: 40 * stacked, num_cluster: 512 },
    ...{ num_hidden_layers: layers, head_dim: 64 },
    ...(heads && { num_attention_heads: heads }),
    ...(feed_forward && { intermediate_size: feed_forward }),
  })
const hubert = sizeOf({ ...base, model_type: 'hubert', architectures: ['HubertModel'] })

const parameters = (size) => totalOf(parameterParts(size))
const sums = (size) => {
  const counts = SAMPLES.map((samples) => countMacs(size, samples))
  return (key) => counts.reduce((sum, macs) => sum + (macs[key] ?? macs.parts[key]), 0)
}

test('HuBERT base over the utterances of SUPERB has the MACs that SUPERB publishes, and the parameters', () => {
  const sum = sums(hubert)
  assert.equal(sum('superb'), 1669156022848)
  assert.equal(sum('core'), 1665522780160)
  assert.equal(sum('positions'), 11223)
  assert.equal(sum('scores'), 51512288256 * 2)
  assert.equal(sum('attention') + sum('feed_forward'), 953221644288)
  assert.equal(sum('front'), 551755743232 + 4413063168 + 53107752960)
  assert.equal(sum('head'), 0)
  // SUPERB's file has the head of training beside: a projection to 256, and 504 clusters in that width.
  assert.equal(parameters(hubert) + 768 * 256 + 256 + 504 * 256, 94697600)
})

test('the convolutions of HuBERT end where audio ends', () => {
  assert.equal(countMacs(hubert, SECOND).positions, 49)
  assert.equal(countMacs(hubert, 400).positions, 1)
  assert.equal(countMacs(hubert, 399).positions, 0)
  assert.equal(countMacs(hubert, 3).core, 0)
  assert.equal(countMacs(melHubert(), 399).core, 0)
  assert.deepEqual(
    [400, 559, 560, 720].map((samples) => countMacs(melHubert(), samples).positions),
    [1, 1, 1, 2],
    'two frames a position, the last of them alone where their number is odd',
  )
})

test('MelHuBERT has its MACs for ten seconds, whole and pruned', () => {
  const core = (changes) => countMacs(melHubert(changes), 10 * SECOND).core
  assert.equal(countMacs(melHubert(), 10 * SECOND).positions, 499)
  assert.equal(core(), 49361934336)
  assert.equal(core({ feed_forward: 1536 }), 35234469888)
  assert.equal(core({ feed_forward: 512 }), 25816160256)
  assert.equal(core({ heads: 6 }), 40003408896)
  assert.equal(core({ heads: 1 }), 32204637696)
  assert.equal(core({ layers: 6 }), 25875944448)
})

test('one second of both models, and all of SUPERB at both frame periods', () => {
  assert.equal(countMacs(hubert, SECOND).core, 6911374336)
  assert.equal(countMacs(melHubert(), SECOND).core, 4444993536)
  assert.equal(sums(melHubert())('core'), 1110043514880)
  assert.equal(sums(melHubert({ stacked: 1 }))('core'), 2423639457792)
})

test('MelHuBERT has its parameters, whole and pruned', () => {
  assert.equal(parameters(melHubert()), 90231424)
  assert.equal(parameters(melHubert({ stacked: 1 })), 90200704)
  assert.equal(parameters(melHubert({ layers: 6 })), 47704192)
  assert.equal(parameters(melHubert({ feed_forward: 512 })), 43014784)
  assert.equal(parameters(melHubert({ heads: 1 })), 64253824)
  assert.equal(parameters(melHubert()) - parameters(melHubert({ heads: 11 })), 12 * 196800)
  const rows = parameters(melHubert()) - parameters(melHubert({ feed_forward: 3072 - 128 }))
  assert.equal(rows, 2360832)
})

test('the miniature has its parameters and its MACs', () => {
  const size = sizeOf(miniatureMelHubert)
  assert.equal(parameters(size), 480064)
  const { core, positions, parts } = countMacs(size, lengthFor(size, 250))
  assert.equal(positions, 250)
  assert.equal(core + 250 * 96 * 64, 166674432) // as torch counts it with its head
  assert.equal(parts.head, 0)
  const of = (changes) => parameters(sizeOf({ ...miniatureMelHubert, head_dim: 12, ...changes }))
  assert.equal(of({}) - of({ num_attention_heads: 7 }), 4 * 4644)
  assert.equal(of({}) - of({ intermediate_size: 383 }), 772)
})

test('a length in places is the shortest sound that gives them', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(hubert, melHubert(), melHubert({ stacked: 1 })),
      fc.integer({ min: 1, max: 3000 }),
      (size, places) => {
        const length = lengthFor(size, places)
        assert.equal(positionsOf(size, length), places)
        assert.equal(positionsOf(size, length - 1), places - 1)
      },
    ),
  )
})

test('blocks of different sizes are the sum of their own', () => {
  const layer = (heads, intermediate_size) => ({
    ...{ num_attention_heads: heads, num_key_value_heads: heads, intermediate_size },
  })
  const mixed = sizeOf({
    ...{ ...base, model_type: 'tongueforge_melhubert', feat_emb_dim: 80, num_hidden_layers: 2 },
    layers: [layer(12, 512), layer(3, 3072)],
  })
  const of = (changes) => melHubert({ layers: 1, ...changes })
  for (const count of [parameters, (size) => countMacs(size, 5 * SECOND).superb]) {
    const one = count(of()) // a block and the rest
    const rest = 2 * one - count(melHubert({ layers: 2 }))
    const sum = count(of({ feed_forward: 512 })) + count(of({ heads: 3 })) - rest
    assert.equal(count(mixed), sum)
  }
})
