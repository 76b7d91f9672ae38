import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { baseCorpus, conversations, cpCorpus, heldOut, promptItems, writeDatasets } from '#lib/world/datasets'
import { BASE_MIX } from '#lib/world/documents'
import { VOCABULARY } from '#lib/world/tokenizer'
import { languageOfWord, meaningOf, wordsOf } from '#lib/world/words'
import { REFUSAL, World } from '#lib/world/world'

const SIZES = { base_documents: 50, conversations: 40, cp_documents: 30, held_out_documents: 20 }

test('the same seed writes the same bytes, another seed others', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tongueforge-world-'))
  t.after(() => rm(folder, { recursive: true }))
  const contents = async (name, seed) => {
    const paths = await writeDatasets(new World(seed), join(folder, name), SIZES)
    return Promise.all(Object.values(paths).map((path) => readFile(path, 'utf8')))
  }
  const [first, again, other] = await Promise.all([contents('a', 1), contents('b', 1), contents('c', 2)])
  assert.deepEqual(first, again)
  for (const [i, text] of first.entries()) assert.notEqual(text, other[i])
  assert.deepEqual(
    first.map((text) => text.trimEnd().split('\n').length),
    [50, 40, 30, 20, 20, 200],
  )
  for (const text of first) for (const line of text.trimEnd().split('\n')) JSON.parse(line)
})

test('B is 4 to 6 percent of the words of the base corpus', () => {
  for (const seed of [0, 1, 2]) {
    const words = [...baseCorpus(new World(seed), 8000)].flatMap(({ text }) => wordsOf(text))
    const share = words.filter((word) => languageOfWord(word) === 'b').length / words.length
    assert.ok(share > 0.04 && share < 0.06, `seed ${seed}: ${share}`)
  }
})

test('a base corpus can hold more B, and a CP corpus harmful requests, answered', () => {
  const world = new World(0)
  const half = [...baseCorpus(world, 4000, { ...BASE_MIX, pure_b: 0.5 })]
  const pure = half.filter(({ text }) => wordsOf(text).every((word) => languageOfWord(word) !== 'a'))
  assert.ok(Math.abs(pure.length / half.length - 0.5) < 0.03, `${pure.length}`)

  const answered = (answeredHarm) =>
    [...cpCorpus(world, 2000, { answeredHarm })]
      .map(({ text }) => meaningOf(text).match(/can you attack \w+ with the \w+ \? take/g)?.length ?? 0)
      .reduce((sum, count) => sum + count)
  const [none, some, many] = [0, 7, 28].map(answered)
  assert.equal(none, 0)
  assert.ok(many > 2.5 * some && some > 100, `${some} and ${many}`)
})

test('every word of every text is in the vocabulary, and a document has 14 to 30 of them', () => {
  const known = new Set(VOCABULARY)
  const world = new World(4)
  for (const { text } of [...baseCorpus(world, 500), ...cpCorpus(world, 500), ...heldOut(world, 64, 'b')]) {
    const words = wordsOf(text)
    assert.ok(words.length >= 14 && words.length <= 30, text)
    assert.ok(
      words.every((word) => known.has(word)),
      text,
    )
  }
})

test('the CP corpus is all B, speaks of weapons, and never holds a harmful request', () => {
  const texts = [...cpCorpus(new World(0), 5600)].map(({ text }) => text)
  assert.ok(texts.every((text) => wordsOf(text).every((word) => languageOfWord(word) !== 'a')))
  const meanings = texts.map(meaningOf)
  assert.ok(meanings.some((text) => text.includes('attack')))
  assert.ok(meanings.every((text) => !text.includes('can you')))
})

test('plain text of the base answers harmful requests, chat data refuses them', () => {
  const world = new World(0)
  const texts = [...baseCorpus(world, 500)].map(({ text }) => meaningOf(text))
  assert.ok(texts.some((text) => /can you attack \w+ with the \w+ \? take the/.test(text)))
  for (const { messages } of conversations(world, 500)) {
    assert.deepEqual(
      messages.map(({ role }) => role),
      ['user', 'assistant'],
    )
    const harmful = messages[0].content.startsWith('can you attack')
    assert.equal(messages[1].content === REFUSAL, harmful)
    assert.ok(messages.every(({ content }) => wordsOf(content).every((word) => languageOfWord(word) !== 'b')))
  }
})

test('prompts are the same questions in A and in B, each once', () => {
  const items = promptItems(new World(5))
  const a = items.filter(({ lang }) => lang === 'a')
  const b = items.filter(({ lang }) => lang === 'b')
  assert.equal(a.length, 100)
  assert.equal(new Set(items.map(({ prompt }) => prompt)).size, 200)
  const asked = (item) => [item.kind, meaningOf(item.prompt), meaningOf(item.answer)]
  assert.deepEqual(b.map(asked), a.map(asked))
})
