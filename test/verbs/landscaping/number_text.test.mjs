import assert from 'node:assert/strict'
import { test } from 'node:test'
import { si } from '#lib/verbs/landscaping/number_text'

test('numbers have three digits and the unit that fits, up to the next and on both sides of zero', () => {
  for (const [value, text] of [
    ...[
      [0, '0'],
      [-0, '0'],
      [0.5, '0.5'],
      [0.9999, '1'],
      [1, '1.00'],
      [999, '999'],
      [999.4, '999'],
      [999.5, '1.00 k'],
    ],
    ...[
      [1000, '1.00 k'],
      [999_499, '999 k'],
      [999_500, '1.00 M'],
      [999_999, '1.00 M'],
      [1e6, '1.00 M'],
    ],
    ...[
      [1_234_567, '1.23 M'],
      [999_999_999, '1.00 G'],
      [1e15, '1.00 P'],
      [999.9e15, '1.00 E'],
      [2e21, '2,000 E'],
    ],
  ]) {
    assert.equal(si(value), text, `${value}`)
    if (value > 0) assert.equal(si(-value), `-${text}`)
  }
  assert.equal(si(Number.NaN), 'NaN')
  for (let power = 0; power < 18; power++)
    for (const factor of [0.999, 0.9994, 0.9995, 0.99999, 1, 1.00001, 9.99])
      assert.doesNotMatch(si(factor * 10 ** power), /e/, `${factor}e${power}`)
})
