// Row maps as the native side takes them, tried on rows that are single numbers: what it makes of them is played here.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { graftRows } from '#lib/verbs/grafting/rows'

const MODELS = {
  target: (row) => 1000 + row,
  base: (row) => 20000 + 3 * row,
  chat: (row) => 300000 + 7 * row,
}
const row = fc.integer({ min: -1, max: 9 })

/** Rows of a result: of the target, or added from the chat model; with the rows of the token in base and chat model. */
const alignment = fc
  .array(fc.record({ isAdded: fc.boolean(), from: fc.nat(9), base: row, chat: row }), {
    minLength: 1,
    maxLength: 30,
  })
  .map((rows) => ({
    num_rows: rows.length,
    ...(rows.some(({ isAdded }) => isAdded) && {
      rows: {
        target: Int32Array.from(rows, ({ isAdded }, i) => (isAdded ? -1 : i)),
        from_chat: Int32Array.from(rows, ({ isAdded, from }) => (isAdded ? from : -1)),
      },
    }),
    vectors: [
      {
        base_rows: Int32Array.from(rows, ({ isAdded, base }) => (isAdded ? -1 : base)),
        chat_rows: Int32Array.from(rows, ({ isAdded, chat }) => (isAdded ? -1 : chat)),
      },
    ],
  }))

/** target + (chat - base), rows that a model lacks being zero: native/merge/graft/graft_piece.cpp. */
function played({ target_rows, vectors: [{ base_rows, chat_rows }] }, { target, base, chat }, count) {
  const value = (model, place) => (place < 0 ? 0 : model(place))
  return Array.from(
    { length: count },
    (_, i) => value(target, target_rows?.[i] ?? i) + value(chat, chat_rows[i]) - value(base, base_rows[i]),
  )
}

function defined({ num_rows, rows, vectors: [{ base_rows, chat_rows }] }) {
  const { target, base, chat } = MODELS
  return Array.from({ length: num_rows }, (_, i) => {
    if (rows && rows.from_chat[i] >= 0) return chat(rows.from_chat[i])
    const differs = base_rows[i] >= 0 && chat_rows[i] >= 0
    return target(i) + (differs ? chat(chat_rows[i]) - base(base_rows[i]) : 0)
  })
}

test('every row is the target’s with the difference of its token, the target’s alone, or the chat model’s', () =>
  fc.assert(
    fc.property(alignment, (given) => {
      assert.deepEqual(played(graftRows(given), MODELS, given.num_rows), defined(given))
    }),
  ))

test('the residual form gives the same rows at scale 1: target and chat model in each other’s place', () =>
  fc.assert(
    fc.property(alignment, (given) => {
      const swapped = { target: MODELS.chat, base: MODELS.base, chat: MODELS.target }
      assert.deepEqual(played(graftRows(given, true), swapped, given.num_rows), defined(given))
    }),
  ))

test('without tables there are none to hand over', () => {
  assert.deepEqual(graftRows({ num_rows: 3, vectors: [{}, {}] }), { vectors: [{}, {}] })
})
