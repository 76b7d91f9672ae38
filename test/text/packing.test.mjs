import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { IGNORE } from '#lib/text/conversation'
import { ConversationPacking, countFitting } from '#lib/text/conversation_packing'
import { epochBatches, PADDING, packedBatch, StreamPacking } from '#lib/text/packing'
import { memoryTokens } from '#lib/text/tokens'

// Every token of every document is another number, so that a token found tells where it came from.
const arbitraryDocuments = fc
  .array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 20 })
  .map((lengths) => {
    let next = 1
    return lengths.map((length) => ({ ids: Int32Array.from({ length }, () => next++) }))
  })
  .filter((documents) => documents.some(({ ids }) => ids.length > 0))
const rowLength = fc.integer({ min: 2, max: 17 })
const rows = fc.integer({ min: 1, max: 5 })
const seed = fc.option(fc.maxSafeNat(), { nil: undefined })

/** The rows of a batch as {ids, labels, segments} each. */
function split(batch) {
  const { row_length: length } = batch
  return Array.from({ length: batch.rows }, (_, row) => {
    const part = (array) => [...array.subarray(row * length, (row + 1) * length)]
    return { ids: part(batch.ids), labels: part(batch.labels), segments: part(batch.segments) }
  })
}

async function epochRows(source, count) {
  const rows = []
  for await (const batch of epochBatches(source, count)) rows.push(...split(batch))
  return rows
}
const packStream = (documents, options) => new StreamPacking(memoryTokens(documents), options)
const packConversations = (documents, options) => ConversationPacking.of(memoryTokens(documents), options)
const whereFrom = (documents) =>
  new Map(documents.flatMap(({ ids }, d) => [...ids].map((id, i) => [id, { d, i }])))

test('streams: every token is in a row, and every one but the first of a document is a target exactly once', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryDocuments, rowLength, rows, seed, async (documents, length, count, from) => {
      const made = await epochRows(packStream(documents, { rowLength: length, seed: from }), count)
      const seen = new Set(made.flatMap(({ ids, segments }) => ids.filter((_, i) => segments[i] !== PADDING)))
      assert.deepEqual(
        [...seen].sort((a, b) => a - b),
        documents.flatMap(({ ids }) => [...ids]),
      )
      const targets = made.flatMap(({ labels }) => labels.filter((label) => label !== IGNORE))
      assert.deepEqual(
        targets.sort((a, b) => a - b),
        documents.flatMap(({ ids }) => [...ids.slice(1)]),
      )
    }),
  )
})

const packings = {
  streams: packStream,
  conversations: packConversations,
}
for (const [name, pack] of Object.entries(packings)) {
  test(`${name}: within a segment stands one document, in order; every target has its predecessor before it`, async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryDocuments, rowLength, rows, seed, async (documents, length, count, from) => {
        const origin = whereFrom(documents)
        const packed = await pack(documents, { rowLength: length, seed: from })
        for (const { ids, labels, segments } of await epochRows(packed, count)) {
          for (let t = 0; t < length; t++) {
            if (labels[t] !== IGNORE) {
              assert.equal(labels[t], ids[t], 'labels are not shifted')
              assert.equal(segments[t - 1], segments[t], 'no target crosses documents')
            }
            if (segments[t] === PADDING) assert.equal(labels[t], IGNORE)
            else if (t > 0 && segments[t] === segments[t - 1]) {
              const [a, b] = [origin.get(ids[t - 1]), origin.get(ids[t])]
              assert.deepEqual(b, { d: a.d, i: a.i + 1 })
            } else if (t > 0) assert.equal(segments[t], segments[t - 1] + 1)
            else assert.equal(segments[t], 0)
          }
        }
      }),
    )
  })

  test(`${name}: the same seed gives the same batch, whatever was asked for before`, async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryDocuments,
        rowLength,
        rows,
        fc.maxSafeNat(),
        fc.nat({ max: 30 }),
        async (documents, length, count, from, step) => {
          const options = { rowLength: length, seed: from }
          const used = await pack(documents, options)
          if (used.rowsPerEpoch === 0) return
          for (let before = 0; before < 3; before++) await packedBatch(used, count, before * 7)
          const fresh = await packedBatch(await pack(documents, options), count, step)
          assert.deepEqual(await packedBatch(used, count, step), fresh)
        },
      ),
    )
  })

  test(`${name}: steps go through the rows of an epoch, then of the next, in another order`, async () => {
    const documents = Array.from({ length: 40 }, (_, d) => ({ ids: new Int32Array(9).fill(d + 1) }))
    const packing = await pack(documents, { rowLength: 10, seed: 3 })
    const count = packing.rowsPerEpoch
    const epoch = async (number) => {
      const all = []
      for (let row = 0; row < count; row++)
        all.push(split(await packedBatch(packing, 1, number * count + row))[0].ids.join())
      return all
    }
    const [first, second] = [await epoch(0), await epoch(1)]
    assert.notDeepEqual(first, second)
    assert.deepEqual(second, await epoch(1))
    const tokens = (rows) => [...new Set(rows.flatMap((row) => row.split(',')))].sort()
    assert.deepEqual(tokens(first), tokens(second))
  })

  test(`${name}: a batch counts its tokens and targets`, async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryDocuments, rowLength, rows, async (documents, length, count) => {
        for await (const batch of epochBatches(await pack(documents, { rowLength: length }), count)) {
          assert.equal(batch.tokens, batch.segments.filter((segment) => segment !== PADDING).length)
          assert.equal(batch.targets, batch.labels.filter((label) => label !== IGNORE).length)
          assert.equal(batch.ids.length, batch.rows * batch.row_length)
          assert.ok(batch.rows <= count)
        }
      }),
    )
  })

  test(`${name}: what a document's own labels leave out is no target`, async () => {
    const document = { ids: Int32Array.of(5, 6, 7, 8), labels: Int32Array.of(IGNORE, IGNORE, 7, IGNORE) }
    const [row] = await epochRows(await pack([document], { rowLength: 6 }), 1)
    assert.deepEqual(row, {
      ids: [5, 6, 7, 8, 0, 0],
      labels: [IGNORE, IGNORE, 7, IGNORE, IGNORE, IGNORE],
      segments: [0, 0, 0, 0, PADDING, PADDING],
    })
  })
}

test('streams: a row repeats the last token of the row before, and only the last row is padded', async () => {
  const documents = [{ ids: Int32Array.of(1, 2, 3) }, { ids: Int32Array.of(4, 5, 6, 7) }]
  const _ = IGNORE
  assert.deepEqual(await epochRows(packStream(documents, { rowLength: 4 }), 1), [
    { ids: [1, 2, 3, 4], labels: [_, 2, 3, _], segments: [0, 0, 0, 1] },
    { ids: [4, 5, 6, 7], labels: [_, 5, 6, 7], segments: [0, 0, 0, 0] },
  ])
  assert.deepEqual((await epochRows(packStream(documents, { rowLength: 5 }), 2)).at(-1), {
    ids: [5, 6, 7, 0, 0],
    labels: [_, 6, 7, _, _],
    segments: [0, 0, 0, PADDING, PADDING],
  })
})

test('streams: nothing to pack makes no rows, one token makes one without a target', async () => {
  assert.equal(packStream([], { rowLength: 4 }).rowsPerEpoch, 0)
  assert.equal(packStream([{ ids: new Int32Array(0) }], { rowLength: 4 }).rowsPerEpoch, 0)
  const [row] = await epochRows(packStream([{ ids: Int32Array.of(9) }], { rowLength: 3 }), 1)
  assert.deepEqual(row, { ids: [9, 0, 0], labels: [IGNORE, IGNORE, IGNORE], segments: [0, PADDING, PADDING] })
})

test('conversations: none is split, and those that are too long or have nothing to learn are counted', async () => {
  const conversation = (...ids) => ({
    ids: Int32Array.from(ids),
    labels: Int32Array.from(ids, (id) => (id > 9 ? id : IGNORE)),
  })
  const list = [
    conversation(1, 11),
    conversation(2, 12, 13),
    conversation(3, 14, 15, 16, 17, 18),
    conversation(4, 5, 6, 7, 8, 19),
    conversation(1, 2),
  ]
  const packing = await packConversations(list, { rowLength: 5 })
  // Of those left out, one lost its answer and one had none.
  assert.deepEqual(await countFitting(memoryTokens(list), 5), { truncated: 1, dropped: 2 })
  const _ = IGNORE
  assert.deepEqual(await epochRows(packing, 2), [
    { ids: [3, 14, 15, 16, 17], labels: [_, 14, 15, 16, 17], segments: [0, 0, 0, 0, 0] },
    { ids: [2, 12, 13, 1, 11], labels: [_, 12, 13, _, 11], segments: [0, 0, 0, 1, 1] },
  ])
})

test('conversations: every kept one is in exactly one row, whole up to the length of a row', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryDocuments, rowLength, async (documents, length) => {
      const packing = await packConversations(documents, { rowLength: length })
      const kept = documents.filter(({ ids }) => ids.length > 1)
      const { dropped } = await countFitting(memoryTokens(documents), length)
      assert.equal(dropped, documents.length - kept.length)
      const seen = (await epochRows(packing, 3)).flatMap(({ ids, segments }) =>
        ids.filter((_, i) => segments[i] !== PADDING),
      )
      assert.deepEqual(
        seen.sort((a, b) => a - b),
        kept.flatMap(({ ids }) => [...ids.subarray(0, length)]),
      )
    }),
  )
})

test('conversations: the rows are filled at least as well as by putting each into the first row that takes it', async () => {
  const lists = fc.array(fc.integer({ min: 2, max: 64 }), { minLength: 1, maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(lists, async (lengths) => {
      const documents = lengths.map((length) => ({ ids: new Int32Array(length).fill(1) }))
      const { rowsPerEpoch } = await packConversations(documents, { rowLength: 64 })
      const sum = lengths.reduce((a, b) => a + b, 0)
      // Best fit decreasing needs at most 11/9 of the best possible number, and 6/9.
      assert.ok(rowsPerEpoch >= Math.ceil(sum / 64))
      assert.ok(rowsPerEpoch <= (11 / 9) * firstFit(lengths, 64) + 6 / 9)
    }),
  )
})

function firstFit(lengths, size) {
  const rooms = []
  for (const length of lengths) {
    const at = rooms.findIndex((room) => room >= length)
    if (at < 0) rooms.push(size - length)
    else rooms[at] -= length
  }
  return rooms.length
}

test('a hundred thousand conversations are packed in moments', async () => {
  const documents = Array.from({ length: 100_000 }, (_, i) => ({
    ids: new Int32Array(10 + ((i * 7919) % 900)).fill(1),
  }))
  const start = performance.now()
  const packing = await packConversations(documents, { rowLength: 2048, seed: 1 })
  assert.ok(performance.now() - start < 3000)
  const filled = documents.reduce((sum, { ids }) => sum + ids.length, 0) / (packing.rowsPerEpoch * 2048)
  assert.ok(filled > 0.99, `${filled}`)
})

test('pairs: neighbours share a row in their order, and the numbers of the documents stand in the batch', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryDocuments, rowLength, rows, seed, async (documents, length, count, from) => {
      const pairs = documents.length % 2 === 0 ? documents : documents.slice(1)
      const packing = await ConversationPacking.of(memoryTokens(pairs), {
        rowLength: length,
        seed: from,
        together: 2,
      })
      const seen = []
      for await (const batch of epochBatches(packing, count)) {
        let next = 0
        for (const { ids, segments } of split(batch)) {
          const held = Math.max(...segments) + 1
          assert.equal(held % 2, 0)
          for (let segment = 0; segment < held; segment++) {
            const number = batch.documents[next++]
            assert.equal(number % 2, segment % 2, 'chosen before rejected')
            const here = ids.filter((_, i) => segments[i] === segment)
            assert.deepEqual(here, [...pairs[number].ids.subarray(0, here.length)])
            seen.push(number)
          }
        }
        assert.equal(next, batch.documents.length)
      }
      const learnable = pairs.flatMap((_, i) =>
        Math.min(pairs[i].ids.length, pairs[i ^ 1].ids.length) > 1 && length > 3 ? [i] : [],
      )
      assert.deepEqual(
        seen.sort((a, b) => a - b),
        learnable,
      )
    }),
  )
})

test('pairs: the longer one loses its end first, and those with nothing left to learn are counted', async () => {
  const answer = (length, prompt) => ({
    ids: Int32Array.from({ length }, (_, i) => i + 1),
    labels: Int32Array.from({ length }, (_, i) => (i < prompt ? IGNORE : i + 1)),
  })
  const pairs = memoryTokens([
    answer(4, 2),
    answer(9, 2),
    answer(9, 5),
    answer(9, 2),
    answer(3, 1),
    answer(3, 1),
  ])
  const options = { rowLength: 10, together: 2 }
  assert.deepEqual(await countFitting(pairs, 10, 2), { truncated: 1, dropped: 1 })
  const packing = await ConversationPacking.of(pairs, options)
  assert.deepEqual(
    (await epochRows(packing, 1)).map(({ segments }) => segments.join(' ')),
    ['0 0 0 0 1 1 1 1 1 1', '0 0 0 1 1 1 -1 -1 -1 -1'],
  )
})
