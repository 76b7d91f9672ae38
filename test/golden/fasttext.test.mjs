// Every model of golden/fasttext against what fastText says by it (golden/fasttext/make_golden.py).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { assertSameLabels, labelsOf } from '../helpers/fasttext.mjs'

const golden = new URL('fasttext/', import.meta.url)
const expected = JSON.parse(readFileSync(new URL('expected.json', golden), 'utf8'))

test('there is a model of each kind', () => assert.equal(expected.length, 5))

for (const { file, texts } of expected)
  test(`${file} says what it says in fastText`, async () => {
    const words = texts.map(({ text }) => text)
    const ours = await labelsOf(fileURLToPath(new URL(file, golden)), words)
    const theirs = texts.map(({ labels }) => labels)
    assertSameLabels(ours, theirs, words)
  })
