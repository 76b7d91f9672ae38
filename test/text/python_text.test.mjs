import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as python from '#lib/text/python_text'

const golden = JSON.parse(
  readFileSync(new URL('../golden/evaluate/python_text.json', import.meta.url), 'utf8'),
)

test('white space, lengths and capital letters are those of Python', () => {
  for (const { text, ...expected } of golden) {
    const found = {
      strip: python.strip(text),
      rstrip: python.rstrip(text),
      length: python.length(text),
      bytes: python.bytes(text),
      words: python.words(text),
      capitalize: python.capitalize(text),
      lower_first: python.lowerFirst(text),
      without_last: python.withoutLast(text),
      begins: python.beginsWithSpace(text),
      ends: python.endsWithSpace(text),
    }
    assert.deepEqual(found, expected, JSON.stringify(text))
  }
})

test('a long row of blanks takes no square time', () => {
  const start = performance.now()
  python.rstrip(`a${' '.repeat(1e6)}b`)
  python.strip(`${' '.repeat(1e6)}b`)
  python.words(' '.repeat(1e6))
  assert.ok(performance.now() - start < 2000)
})
