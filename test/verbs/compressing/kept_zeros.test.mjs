// What trainings between stages do with the zeros that they find.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { distil } from '#lib/verbs/compressing/distil'
import { recover } from '#lib/verbs/compressing/recover'

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

test('a training that prunes leaves a number that is not foretold, and no doubt that was there is lost', () => {
  const { zeros, unknown } = recover.predict(shape, { method: 'recover', pruning })
  assert.deepEqual([zeros, unknown], [700, 'how many weights its training prunes'])
  const doubtful = recover.predict(
    { ...shape, unknown: 'which layers leave' },
    { method: 'recover', pruning },
  )
  assert.equal(doubtful.unknown, 'which layers leave')
})
