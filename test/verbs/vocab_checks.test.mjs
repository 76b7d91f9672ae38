// The checks before an extended tokenizer is published notice what they are for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BpeFile } from '#lib/text/bpe/bpe_file'
import { Tokenizer } from '#lib/text/tokenizer'
import { checkReachable, checkTexts } from '#lib/verbs/vocabulary/checks'
import { byteLevelOn } from '../helpers/bpe_tokenizers.mjs'

/** An extension by `learnt`, whose tokens are said to be made of `pieces`. */
async function extension(learnt, pieces) {
  const json = await byteLevelOn('ab', 1)
  const file = new BpeFile(json)
  const tokenizerJson = file.extended([], learnt)
  const bare = (text) => Tokenizer.fromJson(new BpeFile(text).bareModel())
  return {
    old: Tokenizer.fromJson(json),
    extended: Tokenizer.fromJson(tokenizerJson),
    bare: { old: bare(json), extended: bare(tokenizerJson) },
    tokenizerJson,
    first: file.size,
    special: [],
    learnt,
    pieces: pieces.map((row) => Int32Array.from(row, (token) => file.vocabulary.get(token))),
    lostCharacters: new Set(),
  }
}

test('a token that its own text does not give is named', async () => {
  const good = await extension([{ text: 'xy', parts: ['x', 'y'], saves: 1 }], [['x', 'y']])
  await checkReachable(good)
  const lost = await extension([{ text: 'xy', saves: 1 }], [['x', 'y']])
  await assert.rejects(checkReachable(lost), (error) => {
    assert.equal(error.code, 'ERR_VOCABULARY')
    assert.match(error.message, /1 new tokens cannot be reached: "xy"/)
    assert.match(error.hint, /Nothing was written/)
    return true
  })
})

test('a text that is cut otherwise is named; one that is cut as before is not', async () => {
  const learnt = [{ text: 'xy', parts: ['x', 'y'], saves: 1 }]
  const good = await checkTexts(['xyxy', 'ab'], await extension(learnt, [['x', 'y']]))
  assert.deepEqual(good.tokens, { before: 7, after: 5 })
  const wrong = checkTexts(['xyxy', 'ab'], await extension(learnt, [['y', 'x']]))
  await assert.rejects(wrong, /1 of 2 texts are cut otherwise: "xyxy"/)
})
