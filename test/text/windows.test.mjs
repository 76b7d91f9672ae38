import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Bodies } from '#lib/text/bodies'
import { IGNORE } from '#lib/text/conversation'
import { epochBatches, PADDING } from '#lib/text/packing'
import { Selected } from '#lib/text/selected'
import { memoryTokens } from '#lib/text/tokens'
import { windowRows } from '#lib/text/windows'

// Every token of every document is another number.
const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 })
const documentsOf = (sizes) => {
  let next = 1
  return sizes.map((length) => ({ ids: Int32Array.from({ length }, () => next++) }))
}
const rowLength = fc.integer({ min: 2, max: 17 })

/** The pieces in the rows: {document, ids, labels} each. */
async function pieces(rows) {
  const found = []
  for await (const batch of epochBatches(rows, 3)) {
    let number = -1
    for (let i = 0; i < batch.ids.length; i++) {
      const { segments, row_length: length } = batch
      if (segments[i] === PADDING) continue
      if (i % length === 0 || segments[i] !== segments[i - 1])
        found.push({ document: batch.documents[++number], ids: [], labels: [] })
      found.at(-1).ids.push(batch.ids[i])
      found.at(-1).labels.push(batch.labels[i])
    }
    assert.equal(batch.documents.length, number + 1)
  }
  return found
}

test('windows: every token but the first of a document is predicted once, under the number of its document', async () => {
  await fc.assert(
    fc.asyncProperty(lengths, rowLength, async (sizes, length) => {
      const documents = documentsOf(sizes)
      const found = await pieces(await windowRows(memoryTokens(documents), length))
      for (const [number, { ids }] of documents.entries()) {
        const own = found.filter(({ document }) => document === number)
        const targets = own.flatMap(({ labels }) => labels.filter((label) => label !== IGNORE))
        assert.deepEqual(
          targets.sort((a, b) => a - b),
          [...ids.slice(1)],
        )
        assert.equal(own.length, ids.length === 1 ? 0 : Math.ceil((ids.length - 1) / (length - 1)))
      }
    }),
  )
})

test('windows: what a prediction sees does not depend on the neighbours', async () => {
  await fc.assert(
    fc.asyncProperty(lengths, rowLength, fc.nat(11), async (sizes, length, chosen) => {
      const documents = documentsOf(sizes)
      const number = chosen % documents.length
      const alone = await pieces(await windowRows(memoryTokens([documents[number]]), length))
      const among = await pieces(await windowRows(memoryTokens(documents), length))
      const bySight = (list) => list.map(({ ids, labels }) => `${ids} ${labels}`).sort()
      assert.deepEqual(bySight(among.filter(({ document }) => document === number)), bySight(alone))
    }),
  )
})

test('bodies: the text alone is predicted, in the whole document as in any part of it', async () => {
  // Words from 10 on, in a frame of some of 1 to 4.
  const ids = (least, most, size) => fc.array(fc.integer({ min: least, max: most }), size)
  const size = { maxLength: 5 }
  await fc.assert(
    fc.asyncProperty(
      ids(1, 4, size),
      ids(1, 4, size),
      ids(10, 99, { maxLength: 12 }),
      async (before, after, body) => {
        const all = Int32Array.of(...before, ...body, ...after)
        const frame = { before: Int32Array.from(before), after: Int32Array.from(after).reverse() }
        const tokens = new Bodies(memoryTokens([{ ids: all, labels: all.map(() => IGNORE) }]), frame)
        const expected = [...all].map((id, i) =>
          i >= before.length && i < before.length + body.length ? id : IGNORE,
        )
        for (let from = 0; from < all.length; from++) {
          const [read, labels] = [0, 0].map(() => new Int32Array(Math.min(7, all.length - from)))
          await tokens.read(0, from, read, labels)
          assert.deepEqual([...read], [...all.slice(from, from + 7)])
          assert.deepEqual([...labels], expected.slice(from, from + 7))
        }
      },
    ),
  )
})

test('selected documents are those chosen, in that order, and their tokens are counted', async () => {
  const documents = documentsOf([3, 1, 4, 1, 5])
  const some = await Selected.of(memoryTokens(documents), Uint32Array.of(0, 2, 4))
  assert.deepEqual([some.count, some.total], [3, 12])
  const ids = new Int32Array(4)
  await some.read(1, 0, ids, new Int32Array(4))
  assert.deepEqual(ids, documents[2].ids)
  assert.deepEqual([some.length(2), some.firstTarget(2)], [5, 1])
})
