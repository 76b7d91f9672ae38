// Rows by the text of tokens: laws on any vocabularies, and the words of what is refused.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ALL_ROWS, isIdentity, planRows } from '#lib/verbs/merging/rows'

const WORDS = 'a b c d e f g h i j'.split(' ')
function rowsOf(words, rows) {
  const ids = new Map([...words].map((word, id) => [word, id]))
  return { ids, find: (token) => ids.get(token), rows }
}
/** Some of the words, each under its own id, with spare rows behind or rows missing. */
const vocabulary = fc
  .tuple(fc.shuffledSubarray(WORDS, { minLength: 1 }), fc.integer({ min: -1, max: 3 }))
  .map(([words, spare]) => rowsOf(words, Math.max(1, words.length + spare)))

const of = (entries) => new Map(Object.entries(entries))
const model = (words, rows = words.length) => rowsOf(words, rows)

function plan({ result, models, base, tokens, num_rows = result.ids.size }) {
  const merged = Object.keys(models)
  return planRows({ ids: result.ids, num_rows, models: of(models), merged, base, tokens, file: 'm.yaml' })
}

describe('rows of a merge', () => {
  test('each model gives its own row of a token, or base, the only owner or all owners do (property)', async () => {
    await fc.assert(
      fc.asyncProperty(vocabulary, vocabulary, vocabulary, fc.boolean(), async (base, one, two, withBase) => {
        const models = { base, one, two }
        const words = WORDS.filter((word) =>
          Object.values(models).some(({ ids, rows }) => ids.has(word) && ids.get(word) < rows),
        )
        if (words.length === 0) return
        const result = model(words)
        const { maps, standIns } = await plan({ result, models, base: withBase ? 'base' : undefined })
        for (const [row, word] of words.entries()) {
          const owners = Object.entries(models).flatMap(([name, { ids, rows }]) => {
            const own = ids.get(word)
            const there = own !== undefined && own < rows
            assert.equal(maps.get(name)[row], there ? own : -1)
            return there ? [{ model: name, row: own }] : []
          })
          const first = withBase ? owners.filter((owner) => owner.model === 'base') : []
          const expected = owners.length === 3 ? undefined : first.length > 0 ? first : owners
          assert.deepEqual(standIns.get(row), expected, word)
        }
      }),
    )
  })

  test('equal vocabularies need no moving, and permuted ones do', async () => {
    const request = (b) => ({ models: of({ a: model('abc'), b }), merged: ['a', 'b'] })
    const rows = await plan({ result: model('abc'), models: { a: model('abc'), b: model('abc') } })
    assert.ok(isIdentity(rows, request(model('abc'))))
    const moved = await plan({ result: model('abc'), models: { a: model('abc'), b: model('acb') } })
    assert.ok(!isIdentity(moved, request(model('acb'))))
    assert.ok(!isIdentity(rows, request(model('abc', 4))))
  })

  test('rows behind the tokens go by number, and are the mean of all rows where no model has them', async () => {
    const models = { a: model('ab', 4), b: model('abc', 3) }
    const { maps, standIns } = await plan({ result: model('ab'), models, num_rows: 6 })
    assert.deepEqual([...maps.get('a')], [0, 1, 2, 3, -1, -1])
    assert.deepEqual([...maps.get('b')], [0, 1, -1, -1, -1, -1]) // row 2 of b is a token
    assert.deepEqual(standIns.get(2), [{ model: 'a', row: 2 }])
    assert.deepEqual(standIns.get(5), [
      { model: 'a', row: ALL_ROWS },
      { model: 'b', row: ALL_ROWS },
    ])
  })

  test('`tokens` says whose row stands in, and with force for all models', async () => {
    const models = { a: model('ab'), b: model('abc') }
    const result = model('abc')
    const asked = async (token) => {
      const { maps, standIns } = await plan({ result, models, base: 'a', tokens: { c: token } })
      return [maps.get('b')[2], standIns.get(2)]
    }
    assert.deepEqual(await asked({ source: { kind: 'zero' } }), [2, []])
    assert.deepEqual(await asked({ source: 'b', force: true }), [-1, [{ model: 'b', row: 2 }]])
    const other = { kind: 'model_token', model: 'a', token: 'b' }
    assert.deepEqual(await asked({ source: other, force: true }), [-1, [{ model: 'a', row: 1 }]])
    assert.deepEqual(await asked({ source: { ...other, token: undefined, token_id: 0 } }), [
      2,
      [{ model: 'a', row: 0 }],
    ])
  })

  test('a model that is not merged lends rows only where no merged one has them', async () => {
    const models = of({ a: model('a'), b: model('ab'), lender: model('abc') })
    const request = { ids: model('abc').ids, num_rows: 3, models, merged: ['a', 'b'], file: 'm.yaml' }
    const { standIns } = await planRows(request)
    assert.deepEqual(standIns.get(1), [{ model: 'b', row: 1 }])
    assert.deepEqual(standIns.get(2), [{ model: 'lender', row: 2 }])
  })

  test('tokens that no model has a row for are refused, and so are tokens that are not there', async () => {
    const models = { a: model('ab'), b: model('abc', 2) }
    await assert.rejects(plan({ result: model('abc'), models }), {
      code: 'ERR_VOCABULARY',
      message: /no model has one for 1 of them: "c"/,
      hint: /tokenizer.tokens/,
    })
    await assert.rejects(
      plan({ result: model('ab'), models, tokens: { z: { source: 'a', force: false } } }),
      {
        code: 'ERR_VOCABULARY',
        message: /expected tokens of the result, received "z"/,
        hint: /vocab extend/,
      },
    )
    const wanted = { kind: 'model_token', model: 'a', token: 'zz' }
    await assert.rejects(plan({ result: model('abc'), models, tokens: { c: { source: wanted } } }), {
      code: 'ERR_VOCABULARY',
      message: /expected a row of a, which has 2 rows and none for "zz"/,
      hint: /this model has/,
    })
  })
})
