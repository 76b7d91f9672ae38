// Where in an answer its tokens stand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Tokenizer } from '#lib/text/tokenizer'
import { generateText } from '#lib/verbs/generate'
import { byteLevelTokenizer } from '../helpers/tokenizers.mjs'

/** A model that says these ids. */
function saying(tokenizer, ids) {
  const model = { hasTokenizer: async () => true, text: async () => ({ tokenizer }) }
  const generateIds = async (_prompts, { onToken }) => {
    for (const id of ids) onToken({ row: 0, id, logprob: -1 })
    return [{ ids, finish_reason: 'stop' }]
  }
  return { verb: 'generate', model, generateIds, call: (work) => work() }
}

test('the offset of a token is where its text begins, also behind characters of several tokens and special ones', async () => {
  const tokenizer = Tokenizer.fromJson(byteLevelTokenizer())
  const ids = [...(await tokenizer.encode('hello, 再a早 x<|im_end|>world b'))]
  const writer = saying(tokenizer, ids)
  const run = generateText(writer, async () => Int32Array.of(1), { logprobs: 0, stop: 'd b' })
  const pieces = []
  for await (const piece of run) pieces.push(piece)
  const { text, logprobs } = await run.result
  assert.equal(text, 'hello, 再a早 xworl')
  assert.deepEqual(
    pieces.flatMap((piece) => piece.logprobs ?? []),
    logprobs,
  )
  const whole = `${text}d b`
  const parts = logprobs.filter(({ id, offset }) => {
    const token = tokenizer.decodeNow([id], true)
    if (!token.includes('\uFFFD')) assert.equal(whole.slice(offset, offset + token.length), token)
    else assert.match(whole.slice(offset), /^ ?[再早]/)
    return token.includes('\uFFFD')
  })
  assert.ok(parts.length > 2)
})
