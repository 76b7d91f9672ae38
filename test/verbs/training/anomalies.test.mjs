// What counts as a spike, and what the policy says about it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  checkAnomalyKeys,
  decide,
  limitsOf,
  marksOf,
  remember,
  rollbackSkip,
  rollbackTarget,
  spikeLimit,
} from '#lib/verbs/training/anomalies'
import { random, seed } from '../../helpers/stress.mjs'

const policy = (changes = {}) => ({
  non_finite: 'stop',
  spike: 'off',
  factor: 10,
  window: 5,
  max_skips: 2,
  ...changes,
  rollback: { back: 10, max: 2, ...changes.rollback },
})
const config = (changes, every = 4) => ({ anomaly: policy(changes), checkpoint: { every } })

test('the limit is the median and so many times 1.4826 median distances from it', () => {
  // Median 3; distances 2 1 0 1 97, their median 1: the outlier in the window moves neither.
  assert.equal(spikeLimit([1, 2, 3, 4, 100], 10), 3 + 10 * 1.4826)
  assert.equal(spikeLimit([4, 2, 1, 3], 2), 2.5 + 2 * 1.4826)
})

test('a loss that hardly moves has a limit of its own size, and one that is always 0 has none', () => {
  assert.equal(spikeLimit([2, 2, 2, 2, 2], 10), 2 + 10 * 0.02)
  assert.equal(spikeLimit([-2, -2, -2], 10), -2 + 10 * 0.02)
  assert.equal(spikeLimit([0, 0, 0], 10), Number.POSITIVE_INFINITY)
})

test(`of normal losses about as many lie above the limit as of the normal distribution (TONGUEFORGE_SEED=${seed})`, () => {
  const draw = random()
  const normal = () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw())
  const losses = Array.from({ length: 20_000 }, () => 3 + 0.5 * normal())
  const limit = spikeLimit(losses, 2)
  const above = losses.filter((loss) => loss > limit).length / losses.length
  assert.ok(Math.abs(above - 0.0228) < 0.004, `2.28 % lie above two standard deviations, ${100 * above} % do`)
})

test('limits come with a full window of updates that were taken, the oldest forgotten', () => {
  const recent = { losses: [], grad_norms: [] }
  const watching = policy({ spike: 'skip', grad_norm_factor: 3 })
  for (let i = 1; i <= 4; i++) remember(recent, { loss: i, grad_norm: 10 * i }, watching)
  assert.deepEqual(limitsOf(recent, watching), {})
  for (let i = 5; i <= 7; i++) remember(recent, { loss: i, grad_norm: 10 * i }, watching)
  assert.deepEqual(recent, { losses: [3, 4, 5, 6, 7], grad_norms: [30, 40, 50, 60, 70] })
  assert.deepEqual(limitsOf(recent, watching), {
    loss_limit: spikeLimit(recent.losses, 10),
    grad_norm_limit: spikeLimit(recent.grad_norms, 3),
  })
  assert.deepEqual(Object.keys(limitsOf(recent, policy({ spike: 'stop' }))), ['loss_limit'])
  assert.deepEqual(limitsOf(recent, policy()), {})
  const idle = { losses: [], grad_norms: [] }
  remember(idle, { loss: 1, grad_norm: 1 }, policy())
  assert.deepEqual(idle, { losses: [], grad_norms: [] })
})

test('a limit that is infinite is none: a checkpoint has no number for it', () => {
  const recent = { losses: [0, 0, 0, 0, 0], grad_norms: [1, 2, 3, 4, 5] }
  const watching = policy({ spike: 'skip', grad_norm_factor: 3 })
  assert.deepEqual(limitsOf(recent, watching), { grad_norm_limit: 3 + 3 * 1.4826 })
  recent.grad_norms.fill(0)
  assert.deepEqual(limitsOf(recent, watching), {})
})

const met = (action, step, more = {}) => ({ kind: 'spike', action, step, batch: step + 3, ...more })

test('batches are left out up to max_skips in 1,000 updates, then the run ends and names them', () => {
  const skipping = policy({ non_finite: 'skip' })
  const at = (step, anomalies) => decide('non_finite', { step, anomalies }, skipping)
  assert.deepEqual(at(5, []), { action: 'skip' })
  assert.deepEqual(at(1000, [met('skip', 1), met('skip', 900)]), { action: 'skip' }, 'update 1 is 1,000 away')
  const { action, reason } = at(999, [met('skip', 1), met('skip', 900)])
  assert.equal(action, 'stop')
  assert.match(
    reason,
    /max_skips allows .* 2 batches .* 1000 updates: update 1 \(batch 4\), update 900 \(batch 903\)/,
  )
  assert.deepEqual(
    at(5, [met('rollback', 3), met('rollback', 4)]),
    { action: 'skip' },
    'rollbacks are others',
  )
})

test('a run goes back rollback.max times, then it ends', () => {
  const rolling = policy({ spike: 'rollback' })
  const at = (anomalies) => decide('spike', { step: 5000, anomalies }, rolling)
  assert.deepEqual(at([met('rollback', 3), met('skip', 4)]), { action: 'rollback' })
  const { action, reason } = at([met('rollback', 3), met('rollback', 40)])
  assert.equal(action, 'stop')
  assert.match(reason, /rollback\.max allows .* 2 rollbacks: update 3 \(batch 6\), update 40/)
  assert.deepEqual(decide('non_finite', { step: 1, anomalies: [] }, rolling), { action: 'stop' })
})

test('the checkpoint to go back to is the last one `back` updates ago, and the batch that was met is left out', () => {
  for (let step = 0; step < 60; step++) {
    const target = rollbackTarget(step, config())
    assert.equal(target % 4, 0)
    assert.ok(target === 0 || (step - target >= 10 && step - target < 10 + 4), `${step}: ${target}`)
    assert.ok(target + rollbackSkip(config()) > step, 'what follows is new')
  }
})

test('a line of metrics tells what was left out before it since the last rollback, and of the rollback', () => {
  const before = [met('skip', 7, { kind: 'non_finite' }), met('rollback', 9, { back_to: 4 })]
  assert.deepEqual(marksOf(before, 5), { rolled_back_from: 9 })
  assert.deepEqual(marksOf(before, 7), {}, 'that batch was left out on the way that was taken back')
  const after = [...before, met('skip', 5), met('skip', 5, { kind: 'non_finite' })]
  assert.deepEqual(marksOf(after, 5), { rolled_back_from: 9, skipped: ['spike', 'non_finite'] })
  assert.deepEqual(marksOf(after, 6), {})
  assert.deepEqual(marksOf([], 1), {})
})

test('a rollback without checkpoints, or onto the batch that it comes from, is refused', () => {
  const refusal = (changes, every, key, text) =>
    assert.throws(
      () => checkAnomalyKeys(config(changes, every), 'c.yaml'),
      (error) => {
        assert.equal(error.code, 'ERR_CONFIG')
        assert.match(error.message, text)
        assert.equal(error.details.key, key)
        assert.ok(error.hint)
        return true
      },
    )
  refusal({ spike: 'rollback' }, 0, 'checkpoint.every', /c\.yaml: checkpoint\.every: expected .* from 1/)
  const skip = (n) => ({ non_finite: 'rollback', rollback: { skip: n } })
  refusal(skip(13), 4, 'anomaly.rollback.skip', /at least back \+ checkpoint\.every = 14, received 13/)
  assert.doesNotThrow(() => checkAnomalyKeys(config(skip(14), 4), 'c.yaml'))
  assert.doesNotThrow(
    () => checkAnomalyKeys(config({ rollback: { skip: 1 } }, 0), 'c.yaml'),
    'no rollback asked for',
  )
})
