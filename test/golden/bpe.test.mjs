// Merges of generated words against those of the Python library `tokenizers` (test/golden/bpe/make_golden.py).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { byId, trainWords, wordsOf } from '../helpers/bpe.mjs'

const cases = JSON.parse(readFileSync(new URL('bpe/cases.json', import.meta.url), 'utf8'))

for (const { name, texts, case: options, vocab, merges } of cases)
  test(`merges, their order and the ids of tokens: ${name}`, async () => {
    const found = await trainWords(await wordsOf(texts, options), options)
    assert.ok(merges.length > 20)
    assert.deepEqual(found.merges, merges)
    assert.deepEqual(found.vocab, byId(vocab))
  })
