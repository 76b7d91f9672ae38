// When a text is in the language that was asked for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { languageByLetters } from '#lib/text/language/alphabets'
import { acceptsLanguage } from '#lib/text/language/matching'

const accepts = (expected, language, script) => acceptsLanguage(expected, { language, script })

test('a language without a script accepts all of its scripts, and no other language', () => {
  for (const found of ['zh', 'zh-Hans', 'zh-Hant']) assert.ok(accepts('zh', found), found)
  for (const [expected, found] of [
    ['zh', 'ja'],
    ['zh', 'yue'],
    ['de', 'nl'],
    ['en', 'und'],
    ['und', 'und'],
  ])
    assert.equal(accepts(expected, found), false, `${expected} ${found}`)
})

test('a script that is stated has to be there, by tag or by the letters of the text', () => {
  assert.ok(accepts('zh-Hant', 'zh-Hant', 'Hant'))
  assert.equal(accepts('zh-Hant', 'zh-Hans', 'Hans'), false)
  assert.equal(accepts('zh-Hant', 'zh', 'Hans'), false)
  assert.ok(accepts('zh-Hant', 'zh', 'Hani'), 'characters that both share')
  assert.ok(accepts('sr-Latn', 'sr', 'Latn'))
  assert.equal(accepts('sr-Latn', 'sr', 'Cyrl'), false)
  assert.ok(accepts('sr-Latn', 'sr'), 'nothing is known of the script')
})

test('a region says a script of Chinese, and nothing else', () => {
  for (const region of ['TW', 'HK', 'MO']) {
    assert.ok(accepts(`zh-${region}`, 'zh-Hant', 'Hant'), region)
    assert.equal(accepts(`zh-${region}`, 'zh-Hans', 'Hans'), false, region)
  }
  assert.equal(accepts('zh-CN', 'zh-Hant', 'Hant'), false)
  assert.ok(accepts('en-GB', 'en-US', 'Latn'))
  assert.ok(accepts('ja-JP', 'ja', 'Latn'))
})

test('other names of a language are that language', () => {
  for (const [expected, found] of [
    ['deu', 'de'],
    ['cmn', 'zh-Hant'],
    ['zho_Hant', 'zh-Hant'],
    ['nb', 'no'],
    ['id', 'ms'],
    ['iw', 'he'],
  ])
    assert.ok(accepts(expected, found), `${expected} ${found}`)
})

test('what is no tag has to be equal', () => {
  assert.ok(accepts('a', 'a'))
  assert.equal(accepts('a', 'b'), false)
  assert.equal(accepts('a', 'und'), false)
})

test('letters tell the language of words, and most words that of a text', () => {
  const alphabets = { a: 'abc', b: 'αβγ' }
  const cases = [
    ['ab ca αβ', 'a'],
    ['AB αα βγ', 'b'],
    ['abcabc α β', 'b'],
    ['ab αβ', 'a'],
    ['abα ...', 'a'],
    ['xyz 123', 'und'],
    ['', 'und'],
  ]
  for (const [text, expected] of cases) assert.equal(languageByLetters(text, alphabets), expected, text)
})
