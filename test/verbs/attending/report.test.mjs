// What is told of heads beside a run that they left: order, scores, and the refusal to rank what is all alike.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { reportOf } from '#lib/verbs/attending/report'

const shapes = (...diagonality) => ({
  heads: diagonality.map((layer) => layer.map((d) => ({ diagonality: d, verticality: -2, globality: 2 }))),
  uniform: { diagonality: -0.33, verticality: -3, globality: 3 },
  ...{ documents: 5, places: 100, left_out: 0 },
})
const left = (step, layer, head) => ({ step, stage: `0${step}-heads`, layer, head })
const run = {
  path: 'runs/heads',
  removed: [left(1, 0, 1), left(1, 1, 0), left(3, 0, 2), left(5, 1, 1)],
  scores: {
    stage: '01-heads',
    criterion: 'l1',
    of: [
      [9, 1, 3],
      [2, 5, 8],
    ],
  },
}
const spreadOut = shapes([-0.02, -0.33, -0.25], [-0.3, -0.2, -0.05])

describe('the report of attention', () => {
  test('each head is told with when it left and what it was worth; those that stayed are the last', () => {
    const { heads, pruned, spread } = reportOf('melhubert', spreadOut, run, 1)
    assert.ok(Math.abs(spread - 0.31) < 1e-12)
    assert.deepEqual(
      heads.map(({ layer, head, step, stage, score }) => [layer, head, step, stage, score]),
      [
        [0, 0, null, null, 9],
        [0, 1, 1, '01-heads', 1],
        [0, 2, 3, '03-heads', 3],
        [1, 0, 1, '01-heads', 2],
        [1, 1, 5, '05-heads', 5],
        [1, 2, null, null, 8],
      ],
    )
    assert.deepEqual([pruned.run, pruned.removed, pruned.stayed], ['runs/heads', 4, 2])
    const [step, score] = pruned.correlations
    assert.deepEqual([step.with, step.heads, score.with, score.heads], ['step', 6, 'score', 6])
    // Ranks 6 1 3 2 4 5 of diagonality; 5.5 1.5 3 1.5 4 5.5 of steps, with two ties.
    assert.ok(Math.abs(step.rho - 16.5 / Math.sqrt(17.5 * 16.5)) < 1e-12, String(step.rho))
    assert.equal(score.rho, 1)
    assert.ok(Math.abs(score.p - 2 / 720) < 0.002, String(score.p))
  })

  test('of heads that are all alike no correlation is quoted, and it says why', () => {
    const alike = shapes([-0.31, -0.34, -0.32], [-0.31, -0.33, -0.25])
    const { pruned, heads } = reportOf('melhubert', alike, run, 1)
    assert.deepEqual(pruned.correlations, [])
    assert.equal(
      pruned.refused,
      'no correlation is quoted: diagonality spreads by 0.09 over 6 heads, 0.1 or less, so that none of them is diagonal beside the others and their ranks are noise',
    )
    assert.equal(heads[1].step, 1)
    const apart = shapes([-0.31, -0.34, -0.32], [-0.31, -0.33, -0.23])
    assert.equal(reportOf('melhubert', apart, run, 1).pruned.correlations.length, 2)
  })

  test('without a run, and without scores, nothing is told of them', () => {
    const alone = reportOf('bert', spreadOut, undefined, 1)
    assert.equal(alone.pruned, undefined)
    assert.deepEqual(Object.keys(alone.heads[0]), [
      'layer',
      'head',
      'diagonality',
      'verticality',
      'globality',
    ])
    const { scores: _, ...named } = run
    const { heads, pruned } = reportOf('bert', spreadOut, named, 1)
    assert.equal('score' in heads[0], false)
    assert.deepEqual(
      pruned.correlations.map((one) => one.with),
      ['step'],
    )
  })
})
