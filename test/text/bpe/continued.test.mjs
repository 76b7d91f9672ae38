// The laws of byte-pair encoding that goes on where a tokenizer ended, on tokenizers of both kinds learnt on one random
// language and continued on another.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BpeFile } from '#lib/text/bpe/bpe_file'
import { continueBpe } from '#lib/text/bpe/continued'
import { Tokenizer } from '#lib/text/tokenizer'
import { byteLevelOn, sentencePieceOn, wordsOf } from '../../helpers/bpe_tokenizers.mjs'

const KINDS = {
  'byte-level': (text) => byteLevelOn(text, 20),
  'byte-level, words that are tokens taken whole': (text) => byteLevelOn(text, 20, { ignoreMerges: true }),
  'SentencePiece-like': (text) => sentencePieceOn(text, 20),
}
// Few letters, so that pairs stand often and overlap in every way; letters of two, three and four bytes, and marks.
const language = (letters) => {
  const word = fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 12 })
  const line = fc.array(word, { minLength: 1, maxLength: 8 }).map((words) => words.join(' '))
  return fc.array(line, { minLength: 5, maxLength: 20 }).map((lines) => lines.join('\n'))
}
const OLD = language(['a', 'b', 'c', 'aa', 'd,'])
const NEW = language(['a', 'b', 'ab', 'ba', 'bab', 'é', '中', '文', '字', '😀', ' ', '7', '。'])
const PROBE = language(['a', 'b', 'c', 'é', '中', '文', '字', '😀', '\n', '7', '  ', '。', 'x'])
const RUNS = { numRuns: 25 }

async function continued(json, text, options = {}) {
  const file = new BpeFile(json)
  const words = wordsOf(text, file.pretokenization())
  const all = { tokens: 80, coverage: 0, minCount: 1, maxTokenLength: 0, threads: 1, ...options }
  const learnt = await continueBpe(file, words, all)
  const extended = file.extended([], learnt)
  return { file, words, learnt, extended, after: new BpeFile(extended) }
}

const bare = (file) => Tokenizer.fromJson(file.bareModel())
const plain = { addSpecialTokens: false }

for (const [kind, make] of Object.entries(KINDS)) {
  const law = (name, check) =>
    test(`${kind}: ${name}`, () =>
      fc.assert(
        fc.asyncProperty(OLD, NEW, PROBE, async (old, corpus, probe) => {
          const json = await make(old)
          await check({ json, probe, corpus, ...(await continued(json, corpus)) })
        }),
        RUNS,
      ))

  law('every new token is what its own text gives', async ({ file, learnt, after }) => {
    const rows = await bare(after).encodeBatch(learnt.map(({ text }) => text))
    assert.deepEqual(
      rows.map((row) => [...row]),
      learnt.map((_, i) => [file.size + i]),
    )
  })

  law(
    'with new tokens written as their pieces, every text is cut as before',
    async ({ json, probe, corpus, file, learnt, extended }) => {
      const [old, now] = [Tokenizer.fromJson(json), Tokenizer.fromJson(extended)]
      const pieces = await bare(file).encodeBatch(learnt.map(({ text }) => text))
      for (const text of [probe, corpus]) {
        const ids = [...(await now.encode(text))]
        const back = ids.flatMap((id) => (id < file.size ? [id] : [...pieces[id - file.size]]))
        assert.deepEqual(back, [...(await old.encode(text))])
        assert.equal(await now.decode(ids), await old.decode(await old.encode(text)))
      }
    },
  )

  law('every old token keeps its id, every old merge its rank', async ({ json, file, learnt, extended }) => {
    const [old, now] = [Tokenizer.fromJson(json), Tokenizer.fromJson(extended)]
    for (const [token, id] of old.vocabulary()) assert.equal(now.tokenToId(token), id, token)
    assert.equal(now.vocabSize, file.size + learnt.length)
    for (const [i, { text }] of learnt.entries()) assert.equal(now.tokenToId(text), file.size + i, text)
    const [before, after] = [json, extended].map((text) => JSON.parse(text).model.merges)
    assert.deepEqual(after.slice(0, before.length), before)
    assert.equal(new Set(after.map((pair) => pair.join(' '))).size, after.length)
  })

  law('fewer tokens are the beginning of more', async ({ json, corpus, learnt }) => {
    const { learnt: fewer } = await continued(json, corpus, { tokens: 9 })
    assert.deepEqual(fewer, learnt.slice(0, 9))
  })

  law(
    'a merge saves as many tokens of the corpus as were counted, runs of one letter aside',
    async ({ json, corpus, words, file }) => {
      // One token more at a time: the words' own tokens, before and after.
      let before = await length(bare(file), words)
      const { learnt } = await continued(json, corpus, { tokens: 4 })
      for (const [i, { text, saves, parts }] of learnt.entries()) {
        const now = new BpeFile(file.extended([], learnt.slice(0, i + 1)))
        const after = await length(bare(now), words)
        if (parts?.[0] === parts?.[1] && parts) assert.ok(before - after <= saves, text)
        else assert.equal(before - after, saves, text)
        before = after
      }
    },
  )

  law('no token is longer than allowed', async ({ json, corpus }) => {
    const { learnt } = await continued(json, corpus, { tokens: 200, maxTokenLength: 3 })
    for (const { text } of learnt) assert.ok([...text].length <= 3, text)
  })
}

async function length(tokenizer, { words, counts }) {
  const rows = await tokenizer.encodeBatch(words, plain)
  return rows.reduce((sum, row, i) => sum + row.length * counts[i], 0)
}

test('min_count: no token is rarer, and with nothing frequent there is none', async () => {
  const json = await sentencePieceOn('ab ab ab', 2)
  const text = 'cd cd cd\nce 中中中 é'
  const { learnt } = await continued(json, text, { minCount: 3 })
  assert.deepEqual(
    learnt.map((token) => token.text),
    ['中'],
  )
  assert.deepEqual((await continued(json, text, { minCount: 9 })).learnt, [])
})

test('coverage: learning ends once that share of the words is one token each', async () => {
  const json = await byteLevelOn('ab', 1)
  const { learnt } = await continued(json, 'xy xy xy xy\nzw', { tokens: 99, coverage: 0.6 })
  assert.deepEqual(
    learnt.map((token) => token.text),
    ['xy', 'Ġxy'],
  )
})

test('characters come first where they save more than merges, each with the bytes that stood for it', async () => {
  const json = await sentencePieceOn('ab ab ab', 0)
  const { learnt } = await continued(json, 'ab ab ab ab ab\n中 中 中 é é', { tokens: 5 })
  assert.deepEqual(learnt, [
    { text: '中', saves: 6 },
    { text: 'ab', parts: ['a', 'b'], saves: 5 },
    { text: '▁ab', parts: ['▁', 'ab'], saves: 5 },
    { text: '▁中', parts: ['▁', '中'], saves: 3 },
    { text: 'é', saves: 2 },
  ])
})

test('a token that is there without a merge that makes it, as Llama 3 has some, is made by no new merge', async () => {
  const json = JSON.parse(await byteLevelOn('ab', 1, { ignoreMerges: true }))
  json.model.vocab.xyz = json.added_tokens.at(-1).id + 1
  const { learnt, extended, file } = await continued(JSON.stringify(json), 'xyzw xyzw xyz,', { tokens: 99 })
  const texts = learnt.map(({ text }) => text)
  assert.ok(texts.includes('yz') || texts.includes('xy'))
  assert.ok(!texts.includes('xyz'))
  assert.equal(file.vocabulary.get('xyz'), new BpeFile(extended).vocabulary.get('xyz'))
})

test('merges of older files, which stand as text, go on as text unless a token has a space', async () => {
  const json = JSON.parse(await byteLevelOn('ab ab', 2))
  json.model.merges = json.model.merges.map((pair) => pair.join(' '))
  const text = JSON.stringify(json)
  const { extended } = await continued(text, 'cd cd cd')
  assert.ok(JSON.parse(extended).model.merges.every((merge) => typeof merge === 'string'))
  const spaced = new BpeFile(text).extended([], [{ text: 'a b', parts: ['a', ' b'] }])
  assert.deepEqual(JSON.parse(spaced).model.merges.at(-1), ['a', ' b'])
})

test('a tokenizer that is no BPE, or marks its words, is refused with the reason', async () => {
  const json = JSON.parse(await byteLevelOn('ab', 1))
  const refusal = (model) => {
    try {
      new BpeFile(JSON.stringify({ ...json, model: { ...json.model, ...model } }), 'x/tokenizer.json')
    } catch (error) {
      return error
    }
    return assert.fail('expected an error')
  }
  const unigram = refusal({ type: 'Unigram' })
  assert.equal(unigram.code, 'ERR_TOKENIZER')
  assert.equal(unigram.message, 'x/tokenizer.json: model.type: expected BPE, received Unigram')
  assert.match(unigram.hint, /scores instead of merges/)
  assert.match(refusal({ type: 'WordPiece' }).hint, /Only byte-pair tokenizers/)
  const marked = refusal({ end_of_word_suffix: '</w>' })
  assert.equal(marked.message, 'x/tokenizer.json: model.end_of_word_suffix: expected none, received "</w>"')
  assert.match(marked.hint, /cannot be continued/)
})

test('of many words, each is merged by its own count', async () => {
  const json = await byteLevelOn('ab', 0)
  const file = new BpeFile(json)
  const words = Array.from({ length: 9000 }, (_, i) => `x${i}`)
  const counts = new Float64Array(words.length).fill(1)
  words.push('yz', 'yzyz')
  const corpus = { words, counts: Float64Array.of(...counts, 50_000, 100_000) }
  const options = { tokens: 2, coverage: 0, minCount: 1, maxTokenLength: 0, threads: 1 }
  assert.deepEqual(await continueBpe(file, corpus, options), [
    { text: 'yz', parts: ['y', 'z'], saves: 250_000 },
    { text: 'yzyz', parts: ['yz', 'yz'], saves: 100_000 },
  ])
})
