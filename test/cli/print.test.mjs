import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { factsText, failureText, jsonText, tableText } from '#lib/cli/print'
import { TongueforgeError } from '#lib/errors'

test('a failure shows its message, the places that the message does not name, and the hint', () => {
  const error = new TongueforgeError('ERR_SHAPE_MISMATCH', 'x.weight: expected 2 x 3, received 3 x 2', {
    hint: 'do this',
    details: { tensor: 'x.weight', file: 'model.safetensors', expected: [2, 3] },
  })
  assert.equal(
    failureText(error),
    'error: x.weight: expected 2 x 3, received 3 x 2\n  file: model.safetensors\n  hint: do this\n',
  )
})

test('facts are aligned, nested ones indented, absent ones left out', () => {
  assert.equal(
    factsText({ a: 1, long: 'x', none: null, list: [1, 2], gone: undefined, inner: { b: 0.123456 } }),
    'a      1\nlong   x\nnone   -\nlist   1, 2\ninner\n  b  0.1235\n',
  )
})

test('bytes and long times are shown in large units, whatever stands before them in the key', () => {
  assert.equal(
    factsText({ memory_bytes: 1.5e9, bytes: 12, seconds: 0.25, inner: { seconds: 3725 } }),
    'memory_bytes  1.50 GB\nbytes         12 B\nseconds       0.25\ninner\n  seconds  1 h 2 min\n',
  )
})

test('a table aligns text to the left and numbers to the right', () => {
  const rows = [
    { model: 'base', share: 1 },
    { model: 'chat', share: 12.5 },
  ]
  assert.equal(tableText(rows), 'model  share\nbase       1\nchat    12.5\n')
})

test('a table has a column for what only some of its rows have', () => {
  const rows = [
    { stage: 'start', left: '' },
    { stage: 'end', perplexity: 4, left: 'more' },
  ]
  assert.equal(tableText(rows), 'stage  perplexity  left\nstart           -\nend             4  more\n')
})

test('JSON is indented, lists of numbers stand on one line, and it reads back as it was', () => {
  assert.equal(
    jsonText({ ids: [1, 2], text: 'a', list: [{ b: [] }] }),
    '{\n  "ids": [1, 2],\n  "text": "a",\n  "list": [\n    {\n      "b": []\n    }\n  ]\n}\n',
  )
  // Compared with plain JSON, which cannot hold -0 either.
  const asJson = (value) => JSON.parse(JSON.stringify(value))
  fc.assert(
    fc.property(fc.jsonValue(), (value) => assert.deepEqual(JSON.parse(jsonText(value)), asJson(value))),
  )
})

test('a table, and facts, may have as many rows as there are lines in a file', () => {
  const rows = Array.from({ length: 200_000 }, (_, i) => ({ i, text: 'x' }))
  assert.equal(tableText(rows).length, 13 + 10 * 200_000)
  assert.equal(factsText(Object.fromEntries(rows.map(({ i }) => [i, i]))).split('\n').length, 200_001)
})
