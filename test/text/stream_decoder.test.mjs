import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import fc from 'fast-check'
import { Tokenizer } from '#lib/text/tokenizer'
import { dataTest } from '../helpers/data.mjs'
import { byteLevelTokenizer, sentencePieceTokenizer } from '../helpers/tokenizers.mjs'

const bytes = Tokenizer.fromJson(byteLevelTokenizer())
const pieces = Tokenizer.fromJson(sentencePieceTokenizer())

function stream(tokenizer, ids, options) {
  const decoder = tokenizer.stream(options)
  const parts = [...ids].map((id) => decoder.push(id))
  return { parts, text: parts.join('') + decoder.flush() }
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...'你好嗎😀👩‍👩‍👧 he lo\n', 'the ', 'hello ', ' ', '  ') }),
)

for (const [name, tokenizer] of [
  ['byte-level', bytes],
  ['SentencePiece', pieces],
]) {
  test(`${name}: the pieces of a stream together are the text decoded at once`, async () => {
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        fc.pre(!text.includes('\uFFFD'))
        const ids = await tokenizer.encode(text)
        assert.equal(stream(tokenizer, ids).text, await tokenizer.decode(ids))
      }),
    )
  })

  test(`${name}: half a character is never given out`, async () => {
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        fc.pre(!text.includes('\uFFFD'))
        const { parts } = stream(tokenizer, await tokenizer.encode(text))
        for (const part of parts)
          assert.ok(!part.includes('\uFFFD') && part.isWellFormed(), JSON.stringify(parts))
      }),
    )
  })

  test(`${name}: any ids at all are streamed without loss of what is certain, in a bounded window`, () => {
    const ids = fc.array(fc.integer({ min: 0, max: tokenizer.vocabSize + 3 }), { maxLength: 200 })
    fc.assert(
      fc.property(ids, (row) => {
        const decoder = tokenizer.stream()
        for (const id of row) {
          decoder.push(id)
          assert.ok(decoder.window.length <= 34, `${decoder.window.length} ids held`)
        }
        decoder.flush()
      }),
    )
  })

  test(`${name}: with the prompt as context, prompt and stream make the whole text`, async () => {
    await fc.assert(
      fc.asyncProperty(anyText, fc.nat(), async (text, at) => {
        fc.pre(!text.includes('\uFFFD'))
        const ids = [...(await tokenizer.encode(text))]
        const cut = at % (ids.length + 1)
        const head = await tokenizer.decode(ids.slice(0, cut))
        fc.pre(!head.endsWith('\uFFFD'))
        const { text: tail } = stream(tokenizer, ids.slice(cut), { context: ids.slice(0, cut) })
        assert.equal(head + tail, await tokenizer.decode(ids))
      }),
    )
  })
}

test('text comes as soon as it is whole: with the token that completes a character', () => {
  const ids = [...Buffer.from('你a')].map((byte) => pieces.tokenToId(byte < 128 ? 'a' : hex(byte)))
  assert.deepEqual(stream(pieces, ids).parts, ['', '', '你', 'a'])
})

test('a character that is complete is given out even if the next one has begun in the same token', async () => {
  // These merges join the last byte of one character with the first of the next.
  const ids = await bytes.encode('你好嗎你好嗎你好')
  const { parts } = stream(bytes, ids)
  assert.ok(parts.slice(0, -1).some((part) => part !== ''))
})

test('the space of a first word is dropped only at the beginning of the text', async () => {
  const the = pieces.tokenToId('▁the')
  assert.deepEqual(stream(pieces, [the, the]).parts, ['the', ' the'])
  assert.deepEqual(stream(pieces, [1, the, 2, the]).parts, ['', 'the', '', ' the'])
  assert.deepEqual(stream(pieces, [the], { context: [the] }).parts, [' the'])
})

test('special tokens are left out, or shown on request', () => {
  const [hello, end] = [bytes.tokenToId('a'), bytes.tokenToId('<|im_end|>')]
  assert.equal(stream(bytes, [hello, end]).text, 'a')
  assert.equal(stream(bytes, [hello, end], { skipSpecialTokens: false }).text, 'a<|im_end|>')
})

test('bytes that are broken come out as U+FFFD at last, and what follows is whole', () => {
  const begun = pieces.tokenToId('<0xE4>')
  const { text } = stream(pieces, [begun, pieces.tokenToId('a'), begun])
  assert.equal(text, '\uFFFDa\uFFFD')
  const endless = stream(pieces, [...new Array(50).fill(pieces.tokenToId('<0xFF>')), pieces.tokenToId('b')])
  assert.equal(endless.text, `${'\uFFFD'.repeat(50)}b`)
  assert.ok(endless.parts.slice(0, 10).join('').length > 0, 'not all held back')
})

test('bytes that never make a character do not pile up', () => {
  for (const [tokenizer, byte, letter] of [
    [pieces, pieces.tokenToId('<0xE4>'), pieces.tokenToId('b')],
    [bytes, bytes.tokenToId('ä'), bytes.tokenToId('b')], // the byte E4 in the alphabet of bytes
  ]) {
    const decoder = tokenizer.stream()
    let text = ''
    for (let i = 0; i < 200; i++) {
      text += decoder.push(byte)
      assert.ok(decoder.window.length <= 34)
    }
    assert.equal(text + decoder.push(letter), `${'\uFFFD'.repeat(200)}b`)
  }
})

test('a context of byte tokens is looked at from a whole character on', () => {
  const ids = [...Buffer.from('你好你好你好')].map((byte) => pieces.tokenToId(hex(byte)))
  const { parts } = stream(pieces, ids.slice(0, 3), { context: ids })
  assert.deepEqual(parts, ['', '', '你'])
})

const hex = (byte) => `<0x${byte.toString(16).toUpperCase()}>`

dataTest(
  'Chinese streams from the real small model, which spells it in bytes',
  ['models/stories260K_hf', 'corpus/zh_hant_gsd_dev.txt'],
  async (_, [folder, file]) => {
    const tokenizer = await Tokenizer.load(folder)
    const text = (await readFile(file, 'utf8')).slice(0, 5000)
    const { parts, text: streamed } = stream(tokenizer, await tokenizer.encode(text))
    assert.equal(streamed, text)
    assert.ok(parts.every((part) => !part.includes('\uFFFD')))
  },
)

dataTest(
  'Chinese streams from a real byte-level vocabulary',
  ['tokenizers/torchtune_tokenizer.json', 'corpus/zh_hant_gsd_dev.txt'],
  async (_, [tokenizerFile, file]) => {
    const tokenizer = Tokenizer.fromJson(await readFile(tokenizerFile, 'utf8'))
    const text = (await readFile(file, 'utf8')).slice(0, 5000).normalize('NFC')
    const { parts, text: streamed } = stream(tokenizer, await tokenizer.encode(text))
    assert.equal(streamed, text)
    assert.ok(parts.every((part) => !part.includes('\uFFFD')))
  },
)
