import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChatTemplate } from '#lib/text/chat_template'
import { encodeConversation, IGNORE } from '#lib/text/conversation'
import { PADDING } from '#lib/text/packing'
import { describeBatch } from '#lib/text/shown_batch'
import { Tokenizer } from '#lib/text/tokenizer'
import { byteLevelTokenizer, CHATML } from '../helpers/tokenizers.mjs'

const tokenizer = Tokenizer.fromJson(byteLevelTokenizer())

/** One row of these documents, {ids, labels} each. */
function batchOf(documents, rowLength) {
  const batch = {
    ids: new Int32Array(rowLength),
    labels: new Int32Array(rowLength).fill(IGNORE),
    segments: new Int32Array(rowLength).fill(PADDING),
    rows: 1,
    row_length: rowLength,
  }
  let place = 0
  for (const [segment, { ids, labels }] of documents.entries()) {
    batch.ids.set(ids, place)
    batch.labels.set(labels.subarray(1), place + 1)
    batch.segments.fill(segment, place, place + ids.length)
    place += ids.length
  }
  return batch
}

test('a batch is shown by document, with what is learnt of it', async () => {
  const talk = [
    { role: 'user', content: '早安 😀' },
    { role: 'assistant', content: '你好' },
  ]
  const { ids, labels } = await encodeConversation(tokenizer, new ChatTemplate(CHATML), talk)
  const text = await tokenizer.encode('hello world')
  const [row, ...more] = describeBatch(
    batchOf(
      [
        { ids, labels },
        { ids: text, labels: text },
      ],
      80,
    ),
    tokenizer,
  )
  assert.equal(more.length, 0)
  assert.deepEqual(row.documents[0].pieces, [
    { text: '<|im_start|>user\n早安 😀<|im_end|>\n<|im_start|>assistant\n', trained: false },
    { text: '你好<|im_end|>', trained: true },
    { text: '\n', trained: false },
  ])
  assert.equal(row.documents[1].pieces.map((piece) => piece.text).join(''), 'hello world')
  assert.equal(row.documents[1].trained, text.length - 1, 'nothing stands before the first token')
  assert.equal(row.documents[0].tokens, ids.length)
  assert.equal(row.padding, 80 - ids.length - text.length)
})
