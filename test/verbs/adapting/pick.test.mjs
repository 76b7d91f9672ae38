// The rule by which an arm wins.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pickArm } from '#lib/verbs/adapting/pick'

/** Rows of a table from values by model and measure. */
const table = (values) =>
  Object.entries(values).flatMap(([model, measures]) =>
    Object.entries(measures).map(([measure, value]) => {
      const [task, metric] = measure.split('/')
      return { task, metric, model, value }
    }),
  )
const rule = (by, require = []) => ({
  by: typeof by === 'string' ? { measure: by, weight: 1 } : by,
  require,
})
const start = { 'zh/byte_perplexity': 3, 'mmlu/acc': 0.6, 'said/stop_rate': 0.9 }
const rows = table({
  start,
  cp: { 'zh/byte_perplexity': 2, 'mmlu/acc': 0.5, 'said/stop_rate': 0.1 },
  inscp: { 'zh/byte_perplexity': 2.2, 'mmlu/acc': 0.58, 'said/stop_rate': 0.9 },
})

test('less is better of perplexities, more of shares; better says otherwise', () => {
  assert.equal(pickArm(['cp', 'inscp'], rows, rule('zh/byte_perplexity')).picked, 'cp')
  assert.equal(pickArm(['cp', 'inscp'], rows, rule('mmlu/acc')).picked, 'inscp')
  assert.equal(pickArm(['cp', 'inscp'], rows, rule('mmlu')).picked, 'inscp')
  const by = { measure: 'mmlu/acc', weight: 1, better: 'less' }
  assert.equal(pickArm(['cp', 'inscp'], rows, rule(by)).picked, 'cp')
})

test('a side is that of the metric, whatever the task is called', () => {
  const named = table({ start, a: { 'nll_loss/acc': 0.9 }, b: { 'nll_loss/acc': 0.1 } })
  for (const measure of ['nll_loss/acc', 'nll_loss'])
    assert.equal(pickArm(['b', 'a'], named, rule(measure)).picked, 'a')
})

test('of several measures the weighted sum counts', () => {
  const by = (weight) => [
    { measure: 'zh/byte_perplexity', weight: 1 },
    { measure: 'said/stop_rate', weight },
  ]
  assert.equal(pickArm(['cp', 'inscp'], rows, rule(by(0.2))).picked, 'cp')
  const { picked, rule: said, candidates } = pickArm(['cp', 'inscp'], rows, rule(by(1)))
  assert.equal(picked, 'inscp')
  assert.equal(said, 'least zh/byte_perplexity + most said/stop_rate')
  assert.ok(Math.abs(candidates[1].score - (0.9 - 2.2)) < 1e-12)
})

test('an arm that fails a requirement cannot win, and is told by how much', () => {
  const required = (requirement) => pickArm(['cp', 'inscp'], rows, rule('zh/byte_perplexity', [requirement]))
  const least = required({ measure: 'said/stop_rate', at_least: 0.8 })
  assert.equal(least.picked, 'inscp')
  assert.deepEqual(least.candidates[0].failed, ['said/stop_rate is 0.1, expected at least 0.8'])
  assert.equal(least.reason, 'inscp alone meets the requirements')
  assert.deepEqual(least.candidates[0].measured, { 'zh/byte_perplexity': 2, 'said/stop_rate': 0.1 })
  const kept = required({ measure: 'mmlu/acc', not_worse_by: 0.05 })
  assert.deepEqual(kept.candidates[0].failed, [
    'mmlu/acc is 0.5, 0.6 at the start: expected to be worse by 0.05 at most',
  ])
  assert.equal(required({ measure: 'zh/byte_perplexity', not_worse_by: 0 }).picked, 'cp')
  const none = required({ measure: 'zh/byte_perplexity', at_most: 1 })
  assert.deepEqual([none.picked, none.tied], [null, []])
  assert.match(none.reason, /^no arm can win: cp: .* at most 1\. inscp: /)
})

test('of arms that are equally good the first is taken, and the others are told', () => {
  const equal = table({ start, a: start, b: start, c: { ...start, 'mmlu/acc': 0.1 } })
  const { picked, tied, reason } = pickArm(['b', 'a', 'c'], equal, rule('mmlu/acc'))
  assert.deepEqual([picked, tied], ['b', ['a']])
  assert.match(reason, /as good: a; the first in the config is taken/)
})

test('a value that is no number wins nothing, meets nothing, and an arm alone needs no rule', () => {
  const broken = table({ start, a: { 'mmlu/acc': null }, b: { 'mmlu/acc': 0.1 } })
  assert.equal(pickArm(['a', 'b'], broken, rule('mmlu/acc')).picked, 'b')
  const needed = rule('mmlu/acc', [{ measure: 'mmlu/acc', at_least: 0 }])
  assert.deepEqual(pickArm(['a'], broken, needed).candidates[0].failed, ['mmlu/acc is no number'])
  assert.equal(pickArm(['a'], broken, undefined).picked, 'a')
  assert.equal(pickArm([], broken, undefined).picked, null)
})

test('the start is told by the same rule, and that it is better', () => {
  const { picked, start: score, reason } = pickArm(['cp'], rows, rule('mmlu/acc'))
  assert.deepEqual([picked, score], ['cp', 0.6])
  assert.match(reason, /by the score alone the start is better/)
})

test('law: what wins meets all requirements and no other that does is better, in any order of the arms', () => {
  const value = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 6 }), value, (arms, limit) => {
      const values = Object.fromEntries(arms.map(([a, b], i) => [`arm${i}`, { 't/acc': a, 'u/acc': b }]))
      const names = Object.keys(values)
      const all = table({ start: { 't/acc': 0.5, 'u/acc': 0.5 }, ...values })
      const config = rule('t/acc', [{ measure: 'u/acc', at_least: limit }])
      const able = names.filter((name) => values[name]['u/acc'] >= limit)
      for (const order of [names, [...names].reverse()]) {
        const { picked, tied } = pickArm(order, all, config)
        if (able.length === 0) assert.equal(picked, null)
        else {
          const most = Math.max(...able.map((name) => values[name]['t/acc']))
          assert.equal(values[picked]['t/acc'], most)
          assert.ok(able.includes(picked))
          assert.deepEqual(
            new Set([picked, ...tied]),
            new Set(able.filter((name) => values[name]['t/acc'] === most)),
          )
        }
      }
    }),
    { verbose: true },
  )
})
