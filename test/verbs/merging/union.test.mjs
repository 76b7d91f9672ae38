// A tokenizer with the tokens of several: it cuts the text of each as that one does.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Vocabulary } from '#lib/text/alignment/vocabulary'
import { Tokenizer } from '#lib/text/tokenizer'
import { unionTokenizer } from '#lib/verbs/merging/union'

const bpe = (merges, { added = [], asText = false, order = [] } = {}) => {
  const pieces = [...'abcdef ', ...merges.map(([a, b]) => a + b)]
  const words = [...order, ...pieces.filter((piece) => !order.includes(piece))]
  const vocab = Object.fromEntries(words.map((word, id) => [word, id]))
  const model = { type: 'BPE', vocab, merges: asText ? merges.map((pair) => pair.join(' ')) : merges }
  const entry = (content, i) => ({
    id: words.length + i,
    content,
    special: true,
    normalized: false,
    lstrip: false,
    rstrip: false,
    single_word: false,
  })
  return JSON.stringify({ version: '1.0', added_tokens: added.map(entry), model })
}
async function union(...texts) {
  const files = texts.map((json, i) => Vocabulary.of(json, `${i}/tokenizer.json`))
  const { vocabulary, added } = await unionTokenizer(await Promise.all(files))
  return { json: vocabulary.json, ids: vocabulary.ids, added }
}
const pieces = async (json, text) => {
  const tokenizer = Tokenizer.fromJson(json)
  const ids = await tokenizer.encode(text)
  return [...ids].map((id) => tokenizer.idToToken(id))
}

describe('the union of tokenizers', () => {
  const [ab, cd, abc] = [
    ['a', 'b'],
    ['c', 'd'],
    ['ab', 'c'],
  ]

  test('is the first one where it has all tokens, byte for byte', async () => {
    const first = bpe([ab, abc], { added: ['<end>'] })
    const { json, added } = await union(first, bpe([ab]))
    assert.equal(json, first)
    assert.deepEqual(added, [])
  })

  test('keeps the ids of the first and puts the tokens of the others behind', async () => {
    const first = bpe([ab])
    const { ids, added } = await union(first, bpe([cd, ab], { added: ['<end>'], order: ['f'] }))
    for (const [token, id] of Tokenizer.fromJson(first).vocabulary()) assert.equal(ids.get(token), id)
    assert.deepEqual(
      [...ids].filter(([, id]) => id >= 8).sort((a, b) => a[1] - b[1]),
      [
        ['cd', 8],
        ['<end>', 9],
      ],
    )
    assert.deepEqual(added, [{ id: 9, content: '<end>', special: true }])
  })

  test('cuts text as an extended tokenizer does, and special tokens whole', async () => {
    const extended = bpe([ab, cd, abc], { added: ['<end>'] })
    for (const asText of [true, false]) {
      const { json } = await union(bpe([ab], { asText }), extended)
      for (const text of ['abcd', 'cdab<end>abc', 'fedcba'])
        assert.deepEqual(await pieces(json, text), await pieces(extended, text), text)
    }
  })

  test('takes vocabularies of the size that models have', async () => {
    const words = (from, count) => Array.from({ length: count }, (_, i) => `w${from + i}`)
    const tokenizer = (list) =>
      JSON.stringify({
        version: '1.0',
        added_tokens: [],
        model: {
          type: 'WordLevel',
          vocab: Object.fromEntries(list.map((w, id) => [w, id])),
          unk_token: list[0],
        },
      })
    const { ids } = await union(tokenizer(words(0, 150_000)), tokenizer(words(1000, 151_000)))
    assert.equal(ids.size, 152_000)
    assert.equal(ids.get('w151999'), 151_999)
  })

  test('of tokenizers of other kinds takes added tokens only', async () => {
    const words = JSON.stringify({
      version: '1.0',
      added_tokens: [{ ...JSON.parse(bpe([], { added: ['<x>'] })).added_tokens[0], id: 1 }],
      model: { type: 'WordLevel', vocab: { a: 0 }, unk_token: 'a' },
    })
    assert.equal((await union(bpe([ab]), words)).added[0].content, '<x>')
    const more = words.replace('"a":0', '"zzz":0,"a":1').replace('"id":1', '"id":2')
    await assert.rejects(union(bpe([ab]), more), {
      code: 'ERR_VOCABULARY',
      message: /received BPE \(0\/tokenizer.json\) and WordLevel \(1\/tokenizer.json\)/,
      hint: /source: base/,
    })
  })

  test('of a list of pieces with scores takes added tokens only', async () => {
    const unigram = {
      type: 'Unigram',
      unk_id: 0,
      vocab: [
        ['<unk>', 0],
        ['a', -1],
      ],
    }
    const first = JSON.stringify({ version: '1.0', added_tokens: [], model: unigram })
    const entry = { ...JSON.parse(bpe([], { added: ['<x>'] })).added_tokens[0], id: 2 }
    const { json, ids } = await union(
      first,
      JSON.stringify({ version: '1.0', added_tokens: [entry], model: unigram }),
    )
    assert.equal(ids.get('<x>'), 2)
    assert.deepEqual(JSON.parse(json).model, unigram)
  })
})
