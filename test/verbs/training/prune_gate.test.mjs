// Whether the loss has settled, on losses made by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSettled, newGate, withKept, withLoss } from '#lib/verbs/training/prune_gate'
import { Pruner } from '#lib/verbs/training/pruner'
import { newState } from '#lib/verbs/training/state'

const gate = { factor: 0.5, seed: 3, lookback: 2, tolerance: 0.001 }

test('the running mean starts from the mean of the first losses, and then forgets', () => {
  let state = newGate()
  for (const loss of [3, 4]) state = withLoss(state, loss, gate)
  assert.deepEqual(state, { first: [3, 4] })
  state = withLoss(state, 8, gate)
  assert.deepEqual(state, { first: [], average: 5 })
  state = withKept(withLoss(state, 3, gate))
  assert.deepEqual(state, { first: [], average: 4, kept: 4 })
  assert.deepEqual(withLoss(state, 1, gate), { first: [], average: 2.5, kept: 4 })
})

test('settled: the mean has fallen by no more than the tolerance since it was kept; by exactly so much it has', () => {
  const settled = (kept, average) => isSettled({ first: [], kept, average }, { ...gate, tolerance: 0.25 })
  assert.equal(settled(4, 3.75), true) // 4 - 0.25 is not above it
  assert.equal(settled(4, 3.7499999), false)
  assert.equal(settled(4, 4.5), true) // risen: no reason to wait either
  assert.equal(settled(undefined, 3), true)
  const paper = (kept, average) => isSettled({ first: [], kept, average }, gate)
  assert.equal(paper(2, 2 - 0.001), true)
  assert.equal(paper(2, 1.99899), false)
})

/** Runs a pruner over losses, without a model; tells what happened before each update that something happened before. */
async function trace(losses, schedule) {
  const state = newState()
  const events = []
  const trainer = {
    prune: async (target) => {
      events.push([state.step, 'pruned', target])
      return { prunable: 100, masked: Math.round(100 * target) }
    },
    masked: async () => ({ prunable: 100, masked: 0 }),
  }
  const pruner = new Pruner(trainer, state, schedule)
  for (const loss of losses) {
    const waiting = state.pruning.postponed.length
    await pruner.beforeUpdate(undefined)
    if (state.pruning.postponed.length > waiting) events.push([state.step, 'postponed'])
    state.step++
    pruner.taken(loss)
  }
  return { events, state, pruner }
}

test('a trace worked out by hand: the first target does not wait, the second waits twice, a third time it goes', async () => {
  const schedule = { start: 4, every: 6, targets: [0.3, 0.6, 0.9], scope: 'global', gate }
  const losses = [
    ...[9, 5, 3, 1], // falls, but nothing was pruned yet
    // Pruned after 4. Mean of three: 6; then 6 (kept after update 8 = 10 - 2), 5, 4.
    ...[7, 6, 5, 6, 4, 3],
    // After 10: 6 - 0.001 > 4: waits. Means 3.5 3.25 3.125 3.0625 (kept), 2.53.., 2.26..
    ...[3, 3, 3, 3, 2, 2],
    // After 16: 3.0625 - 0.001 > 2.265625: waits. Means 2.265625 stays while the loss is that.
    ...Array(6).fill(2.265625),
    // After 22: settled: pruned. The mean starts anew: 8; the loss rises: nothing to wait for.
    ...[8, 8, 8, 8, 9, 9],
    2,
  ]
  const { events, state } = await trace(losses, schedule)
  assert.deepEqual(events, [
    [4, 'pruned', 0.3],
    [10, 'postponed'],
    [16, 'postponed'],
    [22, 'pruned', 0.6],
    [28, 'pruned', 0.9],
  ])
  assert.deepEqual(state.pruning.postponed, [
    { step: 10, target: 0.6, kept: 6, average: 4 },
    { step: 16, target: 0.6, kept: 3.0625, average: 2.265625 },
  ])
  assert.deepEqual(state.pruning.done, [
    { step: 4, target: 0.3, zeros: 30 },
    { step: 22, target: 0.6, zeros: 60 },
    { step: 28, target: 0.9, zeros: 90 },
  ])
  assert.deepEqual(state.pruning.gate, { first: [2] })
})

test('the first target does not wait, however the loss falls; the next one does', async () => {
  const schedule = { start: 8, every: 8, targets: [0.3, 0.6], scope: 'global', gate }
  const { events } = await trace(
    Array.from({ length: 17 }, (_, i) => 20 - i),
    schedule,
  )
  assert.deepEqual(events, [
    [8, 'pruned', 0.3],
    [16, 'postponed'],
  ])
})

test('cut after any update and gone on with from its saved state, the same is decided', async () => {
  const schedule = { start: 2, every: 6, targets: [0.2, 0.5, 0.7], scope: 'global', gate }
  const losses = Array.from({ length: 40 }, (_, i) => 3 + 2 * Math.cos(i / 3) + 5 / (1 + i))
  const whole = (await trace(losses, schedule)).state
  assert.ok(whole.pruning.postponed.length > 0 && whole.pruning.done.length === 3)
  for (let cut = 0; cut <= losses.length; cut++) {
    const { state } = await trace(losses.slice(0, cut), schedule)
    const read = JSON.parse(JSON.stringify(state))
    const pruner = new Pruner(
      {
        prune: async (target) => ({ prunable: 100, masked: Math.round(100 * target) }),
        masked: async () => ({}),
      },
      read,
      schedule,
    )
    for (const loss of losses.slice(cut)) {
      await pruner.beforeUpdate(undefined)
      read.step++
      pruner.taken(loss)
    }
    assert.deepEqual(read, whole, `cut after ${cut}`)
  }
})

test('without a gate every target comes in its time; a line tells it on the update after, and none of what follows', async () => {
  const schedule = { start: 0, every: 2, targets: [0.3, 0.6], scope: 'global', gate: undefined }
  const { state, pruner } = await trace([5, 4, 3, 2, 1], schedule)
  assert.deepEqual(state.pruning.done.map(({ step, target }) => [step, target]), [[0, 0.3], [2, 0.6]]) // biome-ignore format: one thought
  assert.equal(pruner.figures(3).pruned_to, 0.6)
  assert.equal(pruner.figures(4).pruned_to, undefined)
  assert.equal('smooth_loss' in pruner.figures(3), false)
})

test('patience counts evaluations after the last target only', async () => {
  const schedule = { start: 0, every: 2, targets: [0.3, 0.6], scope: 'global', gate: undefined }
  const evaluations = [
    { step: 1, loss: 1, targets_reached: 1 },
    { step: 2, loss: 2, targets_reached: 1 },
    { step: 3, loss: 3, targets_reached: 2 },
  ]
  const midway = (await trace([5, 4], schedule)).pruner
  assert.deepEqual(midway.settled(evaluations), [])
  const after = (await trace([5, 4, 3], schedule)).pruner
  assert.deepEqual(after.settled(evaluations), evaluations.slice(2))
})
