// What measures make of answers: by cases that are counted by hand, and by laws.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unitsOf } from '#lib/tasks/measures/repetition'
import { MEASURES } from '#lib/tasks/measures/table'
import { Random } from '#lib/text/random'

/** The value of a measure for answers that are texts, or whole. */
function measured(name, answers, { rules = {}, conversation = {}, found = {} } = {}) {
  const whole = answers.map((one) => {
    return typeof one === 'string' ? { text: one, finish_reason: 'stop', tokens: one.length } : one
  })
  return MEASURES[name](rules).of({ conversation, answers: whole, found })
}

const near = (value, expected, message) =>
  assert.ok(Math.abs(value - expected) < 1e-12, `${message}: ${value}`)

test('stop rate and lengths are means over the answers of a document', () => {
  const answers = [
    { text: 'añ𝕏', finish_reason: 'stop', tokens: 4 },
    { text: '', finish_reason: 'length', tokens: 0 },
    { text: 'ab', finish_reason: 'length', tokens: 2 },
  ]
  near(measured('stop_rate', answers), 1 / 3, 'stop_rate')
  assert.equal(measured('length_tokens', answers), 2)
  near(measured('length_characters', answers), 5 / 3, 'length_characters')
})

test('units are words, and characters where a script has no blanks', () => {
  const cases = [
    ["It's 3 o'clock, isn't it?", ["It's", '3', "o'clock", "isn't", 'it']],
    ['你好，world！', ['你', '好', 'world']],
    ['東京tower', ['東', '京', 'tower']],
    ['안녕 하세요', ['안녕', '하세요']],
    ['กำ', ['กำ'].flatMap((text) => text.match(/\p{Script=Thai}\p{M}*/gu))],
    ['... --', []],
  ]
  for (const [text, units] of cases) assert.deepEqual(unitsOf(text), units, text)
})

test('distinct-n and repeated four-grams, counted by hand', () => {
  const text = 'a b a b a b'
  near(measured('distinct_1', [text]), 2 / 6, 'distinct_1')
  near(measured('distinct_2', [text]), 2 / 5, 'distinct_2')
  near(measured('distinct_3', [text]), 2 / 4, 'distinct_3')
  near(measured('repeated_4grams', [text]), 1 / 3, 'repeated_4grams')
  near(measured('repeated_4grams', ['好好好好好好']), 2 / 3, 'of characters')
  assert.equal(measured('repeated_4grams', ['one two three']), 0)
  assert.equal(measured('distinct_3', ['one two']), null)
  near(measured('distinct_3', ['one two', text]), 0.5, 'only the answers that have some')
})

test('a text of different words repeats nothing; said twice, it has few new four-grams (seeds 1 to 20)', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed)
    const count = 5 + random.below(40)
    const text = Array.from({ length: count }, (_, i) => `w${i}`).join(' ')
    assert.equal(measured('repeated_4grams', [text]), 0, `seed ${seed}`)
    for (const n of [1, 2, 3]) assert.equal(measured(`distinct_${n}`, [text]), 1, `seed ${seed}`)
    near(measured('repeated_4grams', [`${text} ${text}`]), (count - 3) / (2 * count - 3), `seed ${seed}`)
    near(measured('distinct_1', [`${text} ${text}`]), 0.5, `seed ${seed}`)
  }
})

test('exact_match and contains: blanks at the edges never count, the rest as the rules say', () => {
  const target = { conversation: { target: 'The Hague' } }
  const value = (name, text, rules) => measured(name, [text], { ...target, rules })
  assert.equal(value('exact_match', ' The Hague\n'), 1)
  assert.equal(value('exact_match', 'the hague.'), 0)
  assert.equal(value('exact_match', 'the hague.', { ignore_case: true }), 0)
  assert.equal(value('exact_match', 'the hague.', { ignore_case: true, ignore_punctuation: true }), 1)
  assert.equal(value('exact_match', 'The Hague（荷）', { ignore_punctuation: true }), 0, 'ASCII only')
  assert.equal(value('exact_match', 'The 1 Hague', { regexes_to_ignore: [/\d /gu] }), 1)
  assert.equal(value('exact_match', 'The Hague 7', { ignore_numbers: true }), 1)
  assert.equal(value('contains', 'It is The Hague, I think.'), 1)
  assert.equal(value('contains', 'It is the Hague.'), 0)
  assert.equal(
    measured('contains', ['B or A'], { conversation: { target: ['C', 'A'] } }),
    1,
    'one of several',
  )
  const digits = { conversation: { target: '123' }, rules: { ignore_numbers: true } }
  assert.equal(measured('contains', ['anything'], digits), null, 'nothing is left of the target')
  assert.equal(measured('contains', ['no'], { ...digits, conversation: { target: ['123', 'x'] } }), 0)
  assert.equal(measured('exact_match', ['7'], digits), 1)
  assert.equal(measured('exact_match', ['no', 'The Hague'], target), 1, 'the last answer counts')
  assert.equal(measured('exact_match', ['x']), null, 'no target')
})

test('language alignment counts answers in the expected language; undetermined ones apart', () => {
  const value = (name, expected, ...languages) =>
    measured(
      name,
      languages.map(() => ''),
      { found: { expected, languages: languages.map((language) => ({ language })) } },
    )
  assert.equal(value('language_alignment', 'zh-Hant', 'zh-Hant'), 1)
  assert.equal(value('language_alignment', 'zh-Hant', 'zh-Hans'), 0)
  near(value('language_alignment', 'en', 'en', 'en', 'und', 'de'), 0.5, 'alignment')
  near(value('language_undetermined', 'en', 'en', 'en', 'und', 'de'), 0.25, 'undetermined')
  assert.equal(value('language_alignment', undefined, 'en'), null)
})

test('scores are means over the answers that have one; toxic is what has at least 0.5', () => {
  const value = (name, ...scores) =>
    measured(
      name,
      scores.map(() => ''),
      { found: { scores: { toxicity: scores, sentiment: scores } } },
    )
  near(value('toxicity', 0.5, 0.25, null), 0.375, 'toxicity')
  near(value('toxic_rate', 0.5, 0.4999, null), 0.5, 'toxic_rate')
  near(value('sentiment', -0.5, 0.25), -0.125, 'sentiment')
  assert.equal(value('toxicity', null), null)
})
