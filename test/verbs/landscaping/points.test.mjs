// What points a config asks for, and what it may not ask for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { landscapeSchema } from '#lib/config/landscape'
import { checkConfig } from '#lib/config/parse'
import { pointsOf, rateText } from '#lib/verbs/landscaping/points'

const configOf = (...techniques) =>
  checkConfig(
    landscapeSchema,
    { model: 'm', out: 'o', evaluate: { data: [{ path: 'held_out.txt' }] }, seed: 7, techniques },
    'landscape.yaml',
  )
const points = (...techniques) => pointsOf(configOf(...techniques), 'landscape.yaml')
const refuses = (techniques, message, hint) =>
  assert.throws(
    () => points(...techniques),
    (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      assert.match(error.message, message)
      assert.match(error.hint, hint)
      return true
    },
  )

const prune = { method: 'prune', sparsity: '$rate' }

test('a technique makes a point of each rate, with the rate in its stages wherever they name it', () => {
  const [half, most, plain, both] = points(
    { name: 'magnitude', rates: [0.5, 0.9], stages: [prune, { method: 'recover', list: [{ x: '$rate' }] }] },
    { name: 'layers', stages: [{ method: 'layers', keep: 3 }] },
    {
      name: 'mixed',
      rates: [{ heads: 6, rows: 512 }],
      stages: [{ method: 'a', keep: '$heads', to: '$rows' }],
    },
  )
  assert.deepEqual(half, {
    ...{ name: 'magnitude-0.5', technique: 'magnitude', rate: 0.5 },
    config: {
      ...{ model: 'm', device: 'cpu', threads: 0, seed: 7 },
      stages: [
        { method: 'prune', sparsity: 0.5 },
        { method: 'recover', list: [{ x: 0.5 }] },
      ],
    },
  })
  assert.equal(most.config.stages[0].sparsity, 0.9)
  assert.deepEqual([plain.name, plain.rate], ['layers', null])
  assert.deepEqual([both.name, rateText(both.rate)], ['mixed-heads6-rows512', 'heads 6, rows 512'])
  assert.deepEqual(both.config.stages, [{ method: 'a', keep: 6, to: 512 }])
})

test('a rate may be text, whose folder has a name that is fit for one', () => {
  const stages = [{ method: 'prune', pattern: '$rate' }]
  const [point] = points({ name: 'n_of_m', rates: ['2:4'], stages })
  assert.deepEqual([point.name, point.rate], ['n_of_m-2_4', '2:4'])
  assert.equal(point.config.stages[0].pattern, '2:4')
})

test('text that is no name of a rate stays as it is', () => {
  const stages = [{ method: 'a', path: 'costs $5', other: '$', pattern: '$rate/2', keep: '$rate' }]
  const [point] = points({ name: 'x', rates: [2], stages })
  assert.deepEqual(point.config.stages, [{ ...stages[0], keep: 2 }])
})

test('a name that no rate has, and a rate that stands nowhere, are refused with their place', () => {
  refuses(
    [{ name: 'x', rates: [0.5], stages: [{ method: 'a', in: { keep: '$heads' } }] }],
    /^landscape\.yaml: techniques\.0\.stages\.0\.in\.keep: expected \$rate, received \$heads$/,
    /\{ heads: 6 \}/,
  )
  refuses([{ name: 'x', stages: [prune] }], /there are no rates, received \$rate$/, /called \$rate/)
  refuses(
    [{ name: 'x', rates: [{ a: 1 }, { a: 1, b: 2 }], stages: [{ method: 'm', keep: '$a' }] }],
    /techniques\.0\.rates\.1: expected \$b somewhere in stages/,
    /sparsity: \$b/,
  )
})

test('points that could not be told apart are refused', () => {
  const technique = { name: 'x', rates: [1, 1], stages: [prune] }
  refuses([technique], /received x-1 twice/, /name of the technique/)
})

test('names are fit for folders', () => {
  assert.throws(() => configOf({ name: '../x', stages: [prune] }), {
    message: /techniques\.0\.name: expected letters, digits/,
  })
})

test('a technique is not called as the model is that nothing was done to, at whatever rates', () => {
  for (const rates of [undefined, [0.5]])
    assert.throws(() => configOf({ name: 'original', ...(rates && { rates }), stages: [prune] }), {
      code: 'ERR_CONFIG',
      message:
        /techniques\.0\.name: expected another name than that of the model as it is, received "original"/,
    })
})
