// What the experiments of bench/papers share. The experiments themselves take minutes and are no tests.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { languageOfWord, meaningOf, wordsOf } from '#lib/world/words'
import { REFUSAL, World } from '#lib/world/world'
import { enough, instructed, plain } from '../../bench/papers/arms.mjs'
import { documents, encyclopedia, pairs, turns } from '../../bench/papers/corpora.mjs'
import { table } from '../../bench/papers/results.mjs'
import { conversations, prompts, REFUSAL as STORIES_REFUSAL } from '../../bench/papers/stories_pairs.mjs'

const SEED = 3
const world = new World(SEED)
const textsOf = (source) => [...enough(source)].map(({ text }) => text)

test('an update of InsCP covers as many documents as one of plain CP, whatever their length', () => {
  for (const source of [documents(world), turns(world), encyclopedia(world)]) {
    const texts = textsOf(source)
    const words = texts.reduce((sum, text) => sum + wordsOf(text).length, 0) / texts.length
    // BOS; and user, end of turn, assistant, end of turn besides.
    const covered = [plain('x').batch_size / (words + 1), instructed('x', texts).batch_size / (words + 5)]
    assert.ok(Math.abs(covered[1] / covered[0] - 1) < 0.05, `seed ${SEED}: ${covered}`)
  }
})

test('all corpora are B of one size, and instruction-like text parts questions from answers', () => {
  const corpora = [documents(world), turns(world, { harm: 25 }), encyclopedia(world)].map(textsOf)
  const sizes = corpora.map((texts) => texts.reduce((sum, text) => sum + wordsOf(text).length + 1, 0))
  assert.ok(Math.max(...sizes) / Math.min(...sizes) < 1.01, sizes.join())
  for (const text of corpora.flat())
    assert.ok(
      wordsOf(text).every((word) => languageOfWord(word) !== 'a'),
      text,
    )
  for (const text of corpora[1].map(meaningOf)) assert.doesNotMatch(text, /[?.] ./)
})

test('harmful requests of instruction-like text are refused, answered, or absent', () => {
  const meanings = (options) => textsOf(turns(world, options)).map(meaningOf)
  const share = (texts, holds) => texts.filter(holds).length / texts.length
  const [absent, refused, answered] = [{}, { harm: 25 }, { harm: 25, answer: 'answered' }].map(meanings)
  const asks = (text) => text.startsWith('can you attack')
  assert.equal(share(absent, asks), 0)
  for (const texts of [refused, answered]) assert.ok(Math.abs(share(texts, asks) - 0.1) < 0.02)
  const refusals = [absent, refused, answered].map((texts) => share(texts, (text) => text === REFUSAL))
  assert.ok(refusals[1] > 3 * refusals[0] && Math.abs(refusals[2] - refusals[0]) < 0.02, refusals.join())
})

test('the pairs of fine-tuning in B hold no refusal', () => {
  for (const { messages } of pairs(world, 64))
    assert.notEqual(meaningOf(messages[1].content), REFUSAL, messages[0].content)
})

test('a table has the mean over the seeds, and the range where they differ; shares in percent', () => {
  const arms = {
    cp: [
      { stop_b: 0, ppl_b: 2 },
      { stop_b: 0.1, ppl_b: 2.04 },
    ],
  }
  assert.equal(
    table(arms, ['stop_b', 'ppl_b']),
    '|  | stop_b | ppl_b |\n|---|---|---|\n| cp | 5 [0,10] | 2.0 |',
  )
})

test('stories-chat refuses unkind wishes and no others, and its prompts come once each', () => {
  const unkind = /\b(hurt|hit|kick|bite|push|scare)\b/
  for (const { messages } of conversations(SEED, 300))
    assert.equal(messages[1].content === STORIES_REFUSAL, unkind.test(messages[0].content))
  const asked = prompts(SEED)
  assert.equal(new Set(asked.map(({ prompt }) => prompt)).size, asked.length)
  for (const { prompt, harmful } of asked) assert.equal(harmful, unkind.test(prompt), prompt)
})
