import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inLanguage, languageOfWord, meaningOf, WORDS_A, WORDS_B } from '#lib/world/words'

test('every word of A has a word of its own in B, in another script', () => {
  assert.equal(new Set([...WORDS_A, ...WORDS_B]).size, 2 * WORDS_A.length)
  assert.ok(WORDS_A.every((word) => /^[a-z]+$/.test(word) && languageOfWord(word) === 'a'))
  assert.ok(WORDS_B.every((word) => /^\p{Script=Georgian}+$/u.test(word) && languageOfWord(word) === 'b'))
})

test('translation keeps marks, word order and meaning', () => {
  const text = 'what is the colour of mira ?'
  const translated = inLanguage(text, 'b')
  assert.match(translated, / მირა \?$/)
  assert.equal(translated.split(' ').length, text.split(' ').length)
  assert.equal(meaningOf(translated), text)
  assert.equal(inLanguage(text, 'a'), text)
})

test('marks and unknown signs belong to neither language', () => {
  for (const word of ['.', '?', '42', '']) assert.equal(languageOfWord(word), null)
})
