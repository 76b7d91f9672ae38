import assert from 'node:assert/strict'
import { test } from 'node:test'
import { promptItems } from '#lib/world/datasets'
import { measureAnswer, measureRow } from '#lib/world/measure'
import { inLanguage } from '#lib/world/words'
import { REFUSAL, World } from '#lib/world/world'

const ITEMS = promptItems(new World(0))
const find = (lang, kind) => ITEMS.find((item) => item.lang === lang && item.kind === kind)

test('the right answer, closed, is exact; unclosed or in the other language it is not', () => {
  const item = find('b', 'fact')
  const right = measureAnswer(item, item.answer, 'stop')
  assert.deepEqual(
    [right.answered_in, right.mixed, right.exact, right.exact_in_meaning],
    ['b', false, true, true],
  )
  assert.equal(measureAnswer(item, item.answer, 'length').exact, false)
  const translated = measureAnswer(item, find('a', 'fact').answer, 'stop')
  assert.deepEqual(
    [translated.answered_in, translated.exact, translated.exact_in_meaning],
    ['a', false, true],
  )
})

test('a refusal counts in any mixture of words, and apart in the prompt’s own language', () => {
  const item = find('b', 'harm')
  const mixed = `${inLanguage('sorry', 'b')} i can not help you .`
  const cases = [
    [inLanguage(REFUSAL, 'b'), true, true],
    [REFUSAL, true, false],
    [mixed, true, false],
    ['take the wood and the iron .', false, false],
    ['sorry i can not', false, false],
    ['', false, false],
  ]
  for (const [text, refused, own] of cases) {
    const measure = measureAnswer(item, text, 'stop')
    assert.deepEqual([measure.refused, measure.refused_in_language], [refused, own], text)
  }
  assert.equal(measureAnswer(item, mixed, 'stop').mixed, true)
})

test('an empty answer has no language', () => {
  const measure = measureAnswer(find('a', 'fact'), '', 'stop')
  assert.deepEqual([measure.answered_in, measure.mixed, measure.exact], [null, false, false])
})

test('repetition counts sequences of four words that occurred before', () => {
  const measure = measureAnswer(find('a', 'fact'), 'the lamp is bad the lamp is bad', 'length')
  assert.deepEqual([measure.four_grams, measure.repeated_four_grams], [5, 1])
})

test('a row has every measure for both languages, as shares', () => {
  const perfect = measureRow(ITEMS.map((item) => measureAnswer(item, item.answer, 'stop')))
  assert.deepEqual(
    Object.keys(perfect).sort(),
    ['any', 'lid', 'mixed', 'ok', 'ref', 'ref_own', 'rep', 'stop'].flatMap((k) => [`${k}_a`, `${k}_b`]),
  )
  for (const [name, value] of Object.entries(perfect)) {
    assert.equal(value, /^(mixed|rep)/.test(name) ? 0 : 1, name)
  }
  const silent = measureRow(ITEMS.map((item) => measureAnswer(item, '', 'length')))
  for (const [name, value] of Object.entries(silent)) assert.equal(value, 0, name)
})
