import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bytesOf, spellingOf } from '#lib/text/alignment/spelling'
import { Vocabulary } from '#lib/text/alignment/vocabulary'
import { Tokenizer } from '#lib/text/tokenizer'
import { dataTest } from '../../helpers/data.mjs'
import { BYTES, byteLevelTokenizer, sentencePieceTokenizer } from '../../helpers/tokenizers.mjs'
import { tokenizerWith } from '../../helpers/vocabularies.mjs'

const spelling = (json) => spellingOf(JSON.parse(json))
const latin1 = (text) => Buffer.from(text, 'utf8').toString('latin1')

test('the kind is read off what stands around the tokens', () => {
  const kinds = {
    byte_level: byteLevelTokenizer(),
    sentence_piece: sentencePieceTokenizer(),
    words: tokenizerWith('word_level', { a: 0 }),
    plain: JSON.stringify({ model: { type: 'BPE', vocab: {} }, pre_tokenizer: { type: 'Whitespace' } }),
  }
  for (const [kind, json] of Object.entries(kinds)) assert.equal(spelling(json).kind, kind)
  assert.equal(spelling(tokenizerWith('unigram', { a: 0 })).kind, 'sentence_piece')
  assert.equal(spelling(tokenizerWith('word_piece', { a: 0 })).kind, 'words')
  const split = { type: 'Sequence', pretokenizers: [{ type: 'Split' }, { type: 'ByteLevel' }] }
  assert.equal(spellingOf({ model: { type: 'BPE' }, pre_tokenizer: split }).kind, 'byte_level')
  const marked = { type: 'BPE', end_of_word_suffix: '</w>' }
  assert.equal(spellingOf({ model: marked, decoder: { type: 'BPEDecoder' } }).kind, 'words')
  assert.equal(spellingOf({ decoder: { type: 'Metaspace', replacement: '_' } }).mark, '_')
})

test('each character of the byte-level alphabet is its byte, and text of other characters is what it is', () => {
  const bytes = spelling(byteLevelTokenizer())
  for (const [byte, character] of BYTES.entries())
    assert.equal(bytesOf(character, bytes), String.fromCharCode(byte), `byte ${byte}`)
  assert.equal(bytesOf('Ġthe', bytes), ' the')
  assert.equal(bytesOf('ä½łå¥½', bytes), latin1('你好'))
  assert.equal(bytesOf('你好', bytes), latin1('你好'))
})

test('SentencePiece writes spaces as a mark and lone bytes by number, where it falls back to them', () => {
  const pieces = spelling(sentencePieceTokenizer())
  assert.equal(bytesOf('▁the▁', pieces), ' the ')
  assert.equal(bytesOf('<0xE4>', pieces), '\xe4')
  assert.equal(bytesOf('<0xe4>', pieces), '<0xe4>')
  assert.equal(bytesOf('<0xE4>', { ...pieces, byteFallback: false }), '<0xE4>')
})

test('a byte-level token is found among pieces, and a piece for a byte only where text meets it', async () => {
  const pieces = await Vocabulary.of(
    tokenizerWith('sentence_piece', { '<0x61>': 0, a: 1, '<0x7E>': 2, '<0xE4>': 3, '▁x': 4, '<0x20>': 5 }),
  )
  const bytes = await Vocabulary.of(
    tokenizerWith('byte_level', { a: 0, '~': 1, [BYTES[0xe4]]: 2, Ġx: 3, Ġ: 4, '▁x': 5, '<0x61>': 6 }),
  )
  const found = (token) => pieces.find(token, bytes)
  assert.deepEqual(['a', '~', BYTES[0xe4], 'Ġx', 'Ġ'].map(found), [1, 2, 3, 4, 5])
  assert.deepEqual(
    [found('▁x'), found('<0x61>')],
    [undefined, undefined],
    'text that only looks like a piece',
  )
  const back = (token) => bytes.find(token, pieces)
  assert.deepEqual(['a', '<0x7E>', '<0xE4>', '▁x'].map(back), [0, 1, 2, 3])
  assert.equal(back('<0x61>'), undefined, 'text never meets it: `a` has a token')
})

test('between two SentencePiece vocabularies a byte piece is itself, and the byte that the other has no text for', async () => {
  const both = await Vocabulary.of(tokenizerWith('sentence_piece', { '<0x61>': 0, a: 1 }))
  const byte = await Vocabulary.of(tokenizerWith('sentence_piece', { b: 0, '<0x61>': 1 }))
  assert.deepEqual([byte.find('<0x61>', both), byte.find('a', both)], [1, 1])
  assert.equal(both.find('<0x61>', byte), 0)
})

test('an added token is found among added ones only, whatever an ordinary token is called', async () => {
  const tag = await Vocabulary.of(tokenizerWith('byte_level', { x: 0 }, { user: 1 }))
  const word = await Vocabulary.of(tokenizerWith('byte_level', { x: 0, user: 1 }))
  assert.equal(word.find('user', tag), undefined)
  assert.equal(tag.find('user', word), undefined)
  assert.equal(tag.find('user', tag), 1)
  assert.ok(!tag.equals(word))
})

test('words and word pieces are compared with their like alone', async () => {
  const words = await Vocabulary.of(tokenizerWith('word_level', { the: 0 }))
  const pieces = await Vocabulary.of(tokenizerWith('word_piece', { the: 0, '##the': 1, '<unk>': 2 }))
  const bytes = await Vocabulary.of(tokenizerWith('byte_level', { the: 0 }))
  assert.equal(words.find('the', bytes), undefined)
  assert.equal(bytes.find('the', words), undefined)
  assert.equal(pieces.find('the', words), 0)
  assert.equal(pieces.find('##the', pieces), 1)
})

test('two tokens of one id, and ids beyond reason, are refused with file and tokens', async () => {
  const twice = tokenizerWith('byte_level', { a: 0, b: 1, c: 1 })
  await assert.rejects(Vocabulary.of(twice, 'x/tokenizer.json'), ({ code, message, hint, details }) => {
    assert.equal(code, 'ERR_TOKENIZER')
    assert.match(message, /^x\/tokenizer\.json: expected one token for id 1, found "[bc]" and "[bc]"$/)
    assert.match(hint, /tokenizer\.json of the original model/)
    assert.deepEqual(details.tokens.toSorted(), ['b', 'c'])
    return true
  })
  const far = tokenizerWith('byte_level', { a: 0, b: 4e9 })
  await assert.rejects(Vocabulary.of(far), ({ code, message, hint }) => {
    assert.equal(code, 'ERR_TOKENIZER')
    assert.match(message, /model\.vocab\."b": expected an id from 0 to 16777215, received 4000000000/)
    assert.match(hint, /Download the file again/)
    return true
  })
  await assert.rejects(Vocabulary.of('{}'), { code: 'ERR_TOKENIZER' })
})

dataTest(
  'real tokenizers: every byte-level token means what the library decodes it to',
  [
    'tokenizers/torchtune_tokenizer.json',
    'tokenizers/torchtune_tiny_bpe_tokenizer.json',
    'models/stories260K_hf',
  ],
  async (_t, [one, tiny, stories]) => {
    for (const path of [one, tiny, join(stories, 'tokenizer.json')]) {
      const json = readFileSync(path, 'utf8')
      const [vocabulary, tokenizer] = [await Vocabulary.of(json), Tokenizer.fromJson(json)]
      for (const [id, token] of vocabulary.tokens.entries()) {
        if (vocabulary.added.has(token)) continue
        const text = Buffer.from(bytesOf(token, vocabulary.spelling), 'latin1').toString('utf8')
        // A decoder drops the space that SentencePiece puts before a text.
        const drops = vocabulary.spelling.kind === 'sentence_piece' && text.startsWith(' ')
        assert.equal(tokenizer.decodeNow([id], false), drops ? text.slice(1) : text, token)
      }
    }
  },
)

dataTest(
  'real tokenizers: SentencePiece texts of stories are found in a byte-level vocabulary, and each means the same',
  ['tokenizers/torchtune_tiny_bpe_tokenizer.json', 'models/stories260K_hf'],
  async (_t, [tiny, stories]) => {
    const [bytes, pieces] = await Promise.all(
      [tiny, join(stories, 'tokenizer.json')].map((path) => Vocabulary.of(readFileSync(path, 'utf8'))),
    )
    let found = 0
    for (const [id, token] of pieces.tokens.entries()) {
      const other = bytes.find(token, pieces)
      if (other === undefined) continue
      found++
      assert.equal(bytesOf(bytes.tokens[other], bytes.spelling), bytesOf(token, pieces.spelling))
      const back = pieces.find(bytes.tokens[other], bytes)
      assert.ok(back === id || pieces.tokens[back] === pieces.tokens[id], `${token} and back`)
    }
    assert.ok(found > 200, `${found} of 253 texts`)
  },
)
