// When a run prunes and how much: known from the config alone.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { readTrainConfig } from '#lib/verbs/training/config'
import {
  checkPruning,
  cubicTargets,
  PAPER_TARGETS,
  prunedCount,
  pruneSchedule,
  summarisePruning,
  warnOfPruning,
} from '#lib/verbs/training/prune_schedule'
import { clone } from '../../helpers/cli.mjs'
import { random, seed } from '../../helpers/stress.mjs'

const configWith = (pruning, changes = {}) =>
  readTrainConfig(
    { model: 'm', out: 'o', data: [{ path: 'd.txt' }], steps: 1000, ...changes, ...(pruning && { pruning }) },
    [],
  )
const scheduleOf = async (pruning, changes) => pruneSchedule(await configWith(pruning, changes))

test('the targets of the paper are its 38, to the digit', () => {
  const list =
    '.2 .3 .4 .5 .55 .6 .65 .675 .70 .71 .72 .73 .74 .75 .76 .77 .78 .79 .80 .81 .82 .83 .84 .85 .86 .87 .88 .89 .90 ' +
    '.91 .915 .92 .925 .93 .935 .94 .945 .95'
  assert.deepEqual(PAPER_TARGETS, list.split(' ').map(Number))
  assert.equal(PAPER_TARGETS.length, 38)
})

test('paper: warm-up, period, and a gate with the numbers of its configuration, unless told otherwise', async () => {
  assert.deepEqual(await scheduleOf({ schedule: 'paper' }), {
    start: 25_000,
    every: 25_000,
    targets: PAPER_TARGETS,
    scope: 'global',
    gate: { factor: 0.9998, seed: 3, lookback: 15_000, tolerance: 0.001 },
  })
  const scaled = await scheduleOf({ schedule: 'paper', start: 40, every: 250, gate: { tolerance: 0.01 } })
  assert.equal(scaled.start, 40)
  assert.deepEqual(scaled.gate, { factor: 0.98, seed: 3, lookback: 150, tolerance: 0.01 })
  assert.equal((await scheduleOf({ schedule: 'paper', every: 30 })).start, 30)
  assert.equal((await scheduleOf({ schedule: 'paper', gate: 'off' })).gate, undefined)
  assert.equal((await scheduleOf({ schedule: 'targets', targets: [0.5] })).gate, undefined)
})

test('recipes/prune_paper.yaml writes out what schedule: paper is, and runs in small by the override that it names', async () => {
  const file = join(clone, 'recipes/prune_paper.yaml')
  const [, small] = /'(pruning=.*)' steps=10000/.exec(readFileSync(file, 'utf8'))
  assert.deepEqual(pruneSchedule(await readTrainConfig(file, [])), await scheduleOf({ schedule: 'paper' }))
  const config = await readTrainConfig(file, [small, 'steps=10000'])
  const { start, every, gate, targets } = pruneSchedule(config)
  assert.deepEqual([start, every, gate.lookback, gate.factor], [250, 250, 150, 0.98])
  assert.ok(start + every * (targets.length - 1) < 10_000)
})

describe('cubic', () => {
  test('s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3, worked out by hand', () => {
    // n = 4: what is left falls by (3/4)^3, (2/4)^3, (1/4)^3.
    const targets = cubicTargets({ initial: 0, final: 0.8, end: 400 }, { start: 0, every: 100, steps: 1000 })
    const expected = [0, 0.8 * (1 - 27 / 64), 0.8 * (1 - 8 / 64), 0.8 * (1 - 1 / 64), 0.8]
    for (const [i, value] of expected.entries()) assert.ok(Math.abs(targets[i] - value) < 1e-15, `${i}`)
    assert.equal(targets.length, 5)
  })

  test(`it begins and ends exactly where it should, and never falls (TONGUEFORGE_SEED=${seed})`, () => {
    const draw = random()
    for (let round = 0; round < 300; round++) {
      const [low, high] = [draw(), draw()].sort()
      const start = Math.floor(100 * draw())
      const every = 1 + Math.floor(50 * draw())
      const end = start + every + Math.floor(1000 * draw())
      const targets = cubicTargets({ initial: low, final: high, end }, { start, every, steps: 9 })
      assert.equal(targets[0], low)
      assert.equal(targets.at(-1), high)
      assert.ok(start + (targets.length - 1) * every <= end)
      assert.ok(start + targets.length * every > end, 'no pruning that would have fitted is missing')
      for (let i = 1; i < targets.length; i++) assert.ok(targets[i] >= targets[i - 1], `round ${round}, ${i}`)
    }
  })

  test('a first share of 0 is no pruning; the others come when they would; the last by three quarters of the run', async () => {
    const schedule = await scheduleOf({ schedule: 'cubic', final: 0.9 })
    assert.deepEqual([schedule.start, schedule.every, schedule.targets.length], [100, 100, 7]) // of 0..750
    assert.equal(schedule.targets.at(-1), 0.9)
    const from = await scheduleOf({ schedule: 'cubic', initial: 0.5, final: 0.9, start: 10, end: 210 })
    assert.deepEqual([from.start, from.targets[0], from.targets.length], [10, 0.5, 3])
  })
})

describe('what contradicts itself is refused, by the key that does', async () => {
  const refused = [
    ['schedule', { schedule: 'linear' }, /expected cubic \| targets \| paper/],
    ['final', { schedule: 'cubic' }, /expected one with schedule cubic/],
    ['final', { schedule: 'cubic', final: 1 }, /above 0 and below 1/],
    ['initial', { schedule: 'cubic', final: 0.5, initial: 0.5 }, /expected less than final = 0.5/],
    ['targets', { schedule: 'targets' }, /expected one with schedule targets/],
    ['targets', { schedule: 'targets', targets: [0.5, 0.5] }, /expected shares that rise/],
    ['targets', { schedule: 'paper', targets: [0.5] }, /none with schedule paper: it belongs to targets/],
    ['end', { schedule: 'targets', targets: [0.5], end: 7 }, /it belongs to cubic/],
    [
      'end',
      { schedule: 'cubic', final: 0.5, end: 99 },
      /expected at least start \+ every = 100, received 99/,
    ],
    ['scope', { schedule: 'paper', scope: 'block' }, /expected global \| layer \| row/],
    ['criterion', { schedule: 'paper', criterion: 'movement' }, /expected magnitude/],
    ['gate', { schedule: 'paper', gate: 'on' }, /expected off, or a table/],
    [
      'gate.lookback',
      { schedule: 'paper', gate: { lookback: 24_998 } },
      /expected at most every - seed = 24997, received 24998/,
    ],
  ]
  for (const [key, pruning, message] of refused)
    test(`pruning.${key}: ${JSON.stringify(pruning)}`, async () => {
      await assert.rejects(configWith(pruning), (error) => {
        assert.equal(error.code, 'ERR_CONFIG')
        assert.match(error.message, new RegExp(`^config: pruning\\.${key.replace('.', '\\.')}: `))
        assert.match(error.message, message)
        return true
      })
    })

  test('pruning what lora freezes; zeros of random weights; zeros that a merge fills in', async () => {
    const cases = [
      [{ lora: {}, pruning: { schedule: 'paper' } }, 'pruning', /no lora/, /freezes the weights/],
      [
        { keep_zeros: true, model: undefined, init: {}, tokenizer: 't' },
        'keep_zeros',
        /received init/,
        /no zeros/,
      ],
      [{ keep_zeros: true, lora: {} }, 'keep_zeros', /lora.merge: false/, /fills the zeros in/],
    ]
    for (const [changes, key, message, hint] of cases)
      await assert.rejects(configWith(undefined, changes), (error) => {
        assert.equal(error.details.key, key)
        assert.match(error.message, message)
        assert.match(error.hint, hint)
        return true
      })
    await configWith(undefined, { keep_zeros: true, lora: { merge: false } })
  })
})

test('the numbers of weights are those of each scope, rounded half to even', () => {
  const shapes = [[3, 5], [5]]
  assert.equal(prunedCount(shapes, 'global', 0.5), 10)
  assert.equal(prunedCount(shapes, 'layer', 0.5), 8 + 2) // 7.5 and 2.5
  assert.equal(prunedCount(shapes, 'row', 0.5), 3 * 2 + 2)
  assert.equal(prunedCount(shapes, 'global', 0.3), 6)
})

test('a plan has a row for each target, and a run that is too short for them is told so', async () => {
  const config = await configWith({ schedule: 'targets', targets: [0.2, 0.5, 0.9], start: 10, every: 495 })
  const plan = { config, trained: { prunable: [[10, 10], [10]] }, pruning: pruneSchedule(config) }
  assert.deepEqual(summarisePruning(plan.pruning, plan), {
    prunable: 110,
    scope: 'global',
    targets: [
      { step: 10, sparsity: 0.2, weights: 22 },
      { step: 505, sparsity: 0.5, weights: 55 },
      { step: 1000, sparsity: 0.9, weights: 99 }, // after the last update: no one would learn from it
    ],
    reached: 2,
  })
  const told = (changes) => {
    const warnings = []
    const changed = { ...config, ...changes }
    warnOfPruning({ ...plan, config: changed }, (warning) => warnings.push(warning))
    return warnings
  }
  assert.match(told({})[0], /^pruning: 2 of 3 targets .* will have 0.5 of its .* after 1000 updates/)
  assert.match(told({ steps: 10 })[0], /0 of 3 .* nothing will be pruned/)
  assert.deepEqual(told({ steps: 1001 }), [])
  assert.doesNotThrow(() => checkPruning(config, 'config'))
})
