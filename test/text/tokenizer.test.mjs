import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Tokenizer } from '#lib/text/tokenizer'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { byteLevelTokenizer, sentencePieceTokenizer, wordTokenizer } from '../helpers/tokenizers.mjs'

const bytes = Tokenizer.fromJson(byteLevelTokenizer())
const pieces = Tokenizer.fromJson(sentencePieceTokenizer())

test('text goes to ids and back, in any script', async () => {
  const text = 'hello 你好😀\n<b>'
  for (const tokenizer of [bytes, pieces]) {
    const ids = await tokenizer.encode(text)
    assert.ok(ids instanceof Int32Array)
    assert.equal(await tokenizer.decode(ids), text)
    assert.equal(tokenizer.decodeNow([...ids], true), text)
  }
})

test('special tokens are added as the post-processor says, and left out on request', async () => {
  assert.equal((await pieces.encode('the'))[0], 1)
  assert.notEqual((await pieces.encode('the', { addSpecialTokens: false }))[0], 1)
  assert.equal((await pieces.encode('')).length, 1)
  const ids = await pieces.encode('the')
  assert.equal(await pieces.decode(ids), 'the')
  assert.equal(await pieces.decode(ids, { skipSpecialTokens: false }), '<s> the')
  assert.deepEqual(await pieces.addedAround(), { prefix: [1], suffix: [] })
  assert.deepEqual(await bytes.addedAround(), { prefix: [], suffix: [] })
})

test('a prompt gets its beginning of sequence once, whether the text has it or not', async () => {
  const plain = await pieces.encodePrompt('the')
  assert.deepEqual([...plain], [...(await pieces.encode('the'))])
  const rendered = await pieces.encodePrompt('<s>the')
  assert.equal(rendered.filter((id) => id === 1).length, 1)
  assert.equal(rendered[0], 1)
  assert.deepEqual([...(await bytes.encodePrompt('hello'))], [...(await bytes.encode('hello'))])
})

test('many texts are encoded as each alone, in order, in slices', async () => {
  const texts = Array.from({ length: 300 }, (_, i) => 'hello world '.repeat(i * 7))
  assert.ok(texts.join('').length > 512 * 1024, 'more than one slice')
  const rows = await bytes.encodeBatch(texts)
  for (const i of [0, 1, 17, 299]) assert.deepEqual(rows[i], await bytes.encode(texts[i]))
  assert.equal(rows.length, 300)
  assert.deepEqual(await bytes.encodeBatch([]), [])
})

test('truncation and padding that a file asks for are switched off', async () => {
  assert.equal((await bytes.encode('qqqqqqqqqqqqqqqq')).length, 16)
})

test('tokens and ids, both ways; the vocabulary holds them all', () => {
  assert.equal(bytes.idToToken(bytes.tokenToId('<|im_end|>')), '<|im_end|>')
  assert.equal(bytes.tokenToId('no such token'), undefined)
  assert.equal(bytes.idToToken(99999), undefined)
  const vocabulary = bytes.vocabulary()
  assert.equal(vocabulary.size, bytes.vocabSize)
  for (const [token, id] of vocabulary) assert.equal(bytes.tokenToId(token), id)
  assert.equal(bytes.isSpecialToken(vocabulary.get('<|im_end|>')), true)
  assert.equal(bytes.isSpecialToken(vocabulary.get('a')), false)
})

test('the count of ids goes by the largest, which may be beyond the number of tokens', () => {
  const counts = (json) => {
    const { idCount, vocabSize } = Tokenizer.fromJson(json)
    return [idCount, vocabSize]
  }
  for (const dense of [byteLevelTokenizer(), sentencePieceTokenizer()]) {
    const [idCount, vocabSize] = counts(dense)
    assert.equal(idCount, vocabSize)
  }
  assert.deepEqual(counts(wordTokenizer({ a: 0, b: 1, c: 70_000 })), [70_001, 3])
  assert.deepEqual(counts(wordTokenizer({ a: 0, b: 5 }, { '<s>': 9 })), [10, 3])
})

test('a token named __proto__ is a token like any other', () => {
  const file = JSON.parse(sentencePieceTokenizer())
  const text = JSON.stringify(file)
    .replace('"he":', '"__proto__":')
    .replace('["h","e"],', '')
    .replace('["▁t","he"],', '')
  const tokenizer = Tokenizer.fromJson(text)
  const id = tokenizer.tokenToId('__proto__')
  assert.equal(typeof id, 'number')
  assert.equal(tokenizer.vocabulary().get('__proto__'), id)
})

test('without tokenizer.json the error says what is there and how to convert it', async () => {
  await assert.rejects(Tokenizer.load(temporaryFolder({ 'tokenizer.model': 'x' })), (error) => {
    assert.equal(error.code, 'ERR_TOKENIZER')
    assert.match(error.message, /expected tokenizer\.json, found only tokenizer\.model/)
    assert.match(error.hint, /AutoTokenizer\.from_pretrained/)
    return true
  })
  await assert.rejects(Tokenizer.load(temporaryFolder()), { code: 'ERR_TOKENIZER', message: /found none/ })
})

test('a tokenizer.json that is none is refused with its name and the reason', async () => {
  for (const content of ['', '{}', '{"version": "1.0"', byteLevelTokenizer().replace('"BPE"', '"XPE"')]) {
    const folder = temporaryFolder({ 'tokenizer.json': content })
    await assert.rejects(Tokenizer.load(folder), (error) => {
      assert.equal(error.code, 'ERR_TOKENIZER')
      assert.ok(error.message.startsWith(`${folder}/tokenizer.json: expected a tokenizer`))
      assert.match(error.hint, /Download/)
      return true
    })
  }
})

test('what the library cannot encode is a coded error', async () => {
  const words = { type: 'WordLevel', vocab: { a: 0 }, unk_token: '<none>' }
  const tokenizer = Tokenizer.fromJson(
    JSON.stringify({
      ...JSON.parse(sentencePieceTokenizer()),
      added_tokens: [],
      normalizer: null,
      post_processor: null,
      model: words,
    }),
  )
  assert.deepEqual(await tokenizer.encode('a'), Int32Array.of(0))
  // One after the other: a rejection that nobody waits for yet ends the test.
  for (const encode of [() => tokenizer.encode('b'), () => tokenizer.encodeBatch(['b'])]) {
    await assert.rejects(encode(), { code: 'ERR_TOKENIZER', message: /^tokenizer\.json: .+/ })
  }
})

test('loading from a folder gives the same tokenizer', async () => {
  const loaded = await Tokenizer.load(temporaryFolder({ 'tokenizer.json': byteLevelTokenizer() }))
  assert.deepEqual(await loaded.encode('hello 你好'), await bytes.encode('hello 你好'))
})

dataTest(
  'the real small model encodes and decodes a book',
  ['models/stories260K_hf', 'corpus/genesis_french.txt'],
  async (_, [folder, file]) => {
    const { readFile } = await import('node:fs/promises')
    const tokenizer = await Tokenizer.load(folder)
    const text = await readFile(file, 'utf8')
    assert.equal(tokenizer.vocabSize, 512)
    assert.equal(await tokenizer.decode(await tokenizer.encode(text)), text)
  },
)
