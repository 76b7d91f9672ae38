import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shownBatchText } from '#lib/cli/shown_batch'

const ROWS = [
  {
    documents: [
      {
        pieces: [
          { text: '<user>hi\nthere<end>\n', trained: false },
          { text: 'hello\nyou<end>', trained: true },
        ],
        tokens: 9,
        trained: 4,
      },
      { pieces: [{ text: 'b', trained: false }], tokens: 1, trained: 0 },
    ],
    padding: 2,
  },
]

test('a batch reads by row and document, with what is learnt in brackets and its padding counted', () => {
  assert.equal(
    shownBatchText(ROWS, { colour: false }),
    [
      'What is learnt stands in ⟦brackets⟧; the rest is only read.',
      '',
      'row 1 of 1: 2 documents, 10 tokens, 4 learnt, 2 padding',
      '  document 1: 9 tokens, 4 learnt',
      '  | <user>hi⏎',
      '  | there<end>⏎',
      '  | ⟦hello⏎⟧',
      '  | ⟦you<end>⟧',
      '  document 2: 1 token, 0 learnt',
      '  | b',
      '  padding: 2 places',
      '',
    ].join('\n'),
  )
})

test('colours add to the marks and end before each line does', () => {
  const coloured = shownBatchText(ROWS, { colour: true })
  const [green, dim, plain] = ['\x1b[32m', '\x1b[2m', '\x1b[0m']
  assert.ok(coloured.includes(`| ${green}⟦hello⏎⟧${plain}\n`))
  assert.ok(coloured.includes(`| ${dim}<user>hi⏎${plain}\n`))
  const bare = [green, dim, plain].reduce((text, colour) => text.replaceAll(colour, ''), coloured)
  assert.equal(bare, shownBatchText(ROWS, { colour: false }))
})

test('a text cannot steer the terminal that shows it', () => {
  const pieces = [{ text: '\x1b[2J\r\t\x7f\x9b31m', trained: true }]
  const shown = shownBatchText([{ documents: [{ pieces, tokens: 5, trained: 4 }], padding: 0 }], {
    colour: false,
  })
  assert.match(shown, /⟦␛\[2J␍␉\\x7f\\x9b31m⟧/)
})
