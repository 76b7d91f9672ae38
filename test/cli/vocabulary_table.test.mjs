import assert from 'node:assert/strict'
import { test } from 'node:test'
import { vocabularyText } from '#lib/cli/vocabulary_table'

const table = {
  rows: { matched: 500, kept: { target_only: 10, not_in_base: 0, not_in_chat: 1, padding: 2 }, added: 2 },
  examples: { matched: [' the', '\n'], target_only: ['中'], not_in_chat: ['x'], added: ['<|im_end|>'] },
  unused: { base: 0, chat: 3 },
}
const report = {
  identical: false,
  rows: { before: 513, after: 515 },
  added_tokens: { '<|im_end|>': 514 },
  not_added: { count: 0, examples: [] },
  vectors: [table],
}

test('rows are shown by what becomes of them, with examples, those that are none left out', () => {
  assert.equal(
    vocabularyText(report),
    [
      'vocabulary  513 -> 515 rows',
      '  rows                         count  examples',
      '  matched: gets the delta        500  " the" "\\n"',
      '  kept: in the target only        10  "中"',
      '  kept: not in the chat model      1  "x"',
      '  kept: no token                   2',
      '  added from the chat model        2  "<|im_end|>"',
      '',
    ].join('\n'),
  )
})

test('several vectors are shown one after the other, tokens that were not added at the end', () => {
  const text = vocabularyText({
    ...report,
    vectors: [table, table],
    not_added: { count: 9, examples: ['<r>'] },
  })
  assert.match(text, /^vocabulary of vector 1 {2}513 -> 515 rows\n/)
  assert.match(text, /\nvocabulary of vector 2 {2}513 -> 515 rows\n/)
  assert.match(text, /\nnot added {3}9 tokens that no conversation uses: "<r>"\n$/)
})

test('one vocabulary in all models is a single line', () => {
  assert.equal(
    vocabularyText({ ...report, identical: true, rows: { before: 8, after: 8 } }),
    'vocabulary  the same in all models, 8 rows\n',
  )
})
