import assert from 'node:assert/strict'
import { test } from 'node:test'
import { factsText, failureText, tableText } from '#lib/cli/print'
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

test('a table aligns text to the left and numbers to the right', () => {
  const rows = [
    { model: 'base', share: 1 },
    { model: 'chat', share: 12.5 },
  ]
  assert.equal(tableText(rows), 'model  share\nbase       1\nchat    12.5\n')
})
