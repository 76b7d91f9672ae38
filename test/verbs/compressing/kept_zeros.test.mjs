// What trainings between stages do with the zeros that they find.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { distil } from '#lib/verbs/compressing/distil'
import { recover } from '#lib/verbs/compressing/recover'
import { tinyConfig } from '../../helpers/tiny_model.mjs'

const shape = { spec: {}, zeros: 700 }
const pruning = { schedule: 'targets', targets: [0.5], scope: 'global', criterion: 'magnitude' }

/** Zeros that are foretold, and the key that `train` is told. */
function ofTraining(stage, config, found = shape) {
  const { keep_zeros } = stage.training(config, { shape: found, original: 'teacher' })
  return [stage.predict(found, config).zeros, keep_zeros]
}

test('zeros stay where there are some, unless the config says otherwise or an adapter fills them in', () => {
  for (const [stage, method] of [
    [recover, 'recover'],
    [distil, 'distil'],
  ]) {
    assert.deepEqual(ofTraining(stage, { method }), [700, true], method)
    assert.deepEqual(ofTraining(stage, { method }, { ...shape, zeros: 0 }), [0, undefined], method)
    assert.deepEqual(ofTraining(stage, { method, keep_zeros: false }), [0, false], method)
    assert.deepEqual(ofTraining(stage, { method, lora: {} }), [0, undefined], method)
  }
})

test('a training that prunes leaves what its last target within reach says; no doubt that was there is lost', () => {
  const spec = decoderSpec(tinyConfig({ layers: 1 }))
  const weights = 4 * 32 * 32 + 3 * 32 * 128
  const found = { spec, zeros: 700 }
  const told = (changes, before = found) => {
    const { zeros, unknown } = recover.predict(before, {
      method: 'recover',
      steps: 10,
      pruning: { ...pruning, ...changes },
    })
    return [zeros, unknown]
  }
  assert.deepEqual(told({}), [weights / 2, undefined])
  assert.deepEqual(told({ targets: [0.25, 0.5], every: 10 }), [weights / 4, undefined])
  assert.deepEqual(told({ targets: [0.01] }), [700, undefined])
  assert.deepEqual(
    told({ gate: { seed: 3, tolerance: 0 } })[1],
    'how far the pruning comes before the training ends',
  )
  assert.deepEqual(told({ scope: 'row' })[1], 'which of the zeros were there before')
  assert.deepEqual(told({}, { ...found, unknown: 'which layers leave' })[1], 'which layers leave')
})
