// Which tokens are hidden, and by what: laws over random rows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IGNORE } from '#lib/text/conversation'
import { hideTokens, MaskedRows, maskingOf } from '#lib/text/masking'
import { epochBatches, packedBatch, StreamPacking } from '#lib/text/packing'
import { Random } from '#lib/text/random'
import { Tokenizer } from '#lib/text/tokenizer'
import { memoryTokens } from '#lib/text/tokens'
import { wordTokenizer } from '../helpers/tokenizers.mjs'

const MASK = 4
const masking = { probability: 0.15, mask: 0.8, random: 0.1, maskId: MASK, vocabSize: 1000 }

/** Random ids, every tenth of them special: without a label. */
function randomRow(seed, length) {
  const random = new Random(seed)
  const ids = Int32Array.from({ length }, () => 10 + random.below(990))
  const labels = ids.map((id) => (random.below(10) === 0 ? IGNORE : id))
  return { ids, labels }
}

test('fifteen in a hundred are hidden: eight of ten by the mask, one by any token, one by itself', () => {
  const { ids: before, labels: could } = randomRow(1, 100_000)
  const [ids, labels] = [before.slice(), could.slice()]
  const hidden = hideTokens(ids, labels, masking, new Random(2))
  const places = [...labels.keys()].filter((place) => labels[place] !== IGNORE)
  assert.equal(places.length, hidden)
  const candidates = could.filter((label) => label !== IGNORE).length
  // five standard deviations of so many draws
  const near = (share, of, count) =>
    assert.ok(Math.abs(count - share * of) < 5 * Math.sqrt(of * share * (1 - share)), `${count} of ${of}`)
  near(0.15, candidates, hidden)
  near(0.8, hidden, places.filter((place) => ids[place] === MASK).length)
  near(0.1, hidden, places.filter((place) => ids[place] !== MASK && ids[place] !== before[place]).length)
  for (const [place, id] of before.entries()) {
    if (labels[place] === IGNORE)
      assert.equal(ids[place], id, `nothing stands for ${place}, which is not learnt`)
    else assert.equal(labels[place], id)
  }
})

test('what has no label is never hidden, and something always is', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const { ids, labels: could } = randomRow(seed, 1 + (seed % 7))
    const labels = could.slice()
    const hidden = hideTokens(ids, labels, masking, new Random(seed, 1))
    const any = could.some((label) => label !== IGNORE)
    assert.equal(hidden > 0, any, `seed ${seed}`)
    for (const [place, label] of could.entries()) if (label === IGNORE) assert.equal(labels[place], IGNORE)
  }
})

const documents = Array.from({ length: 30 }, (_, i) => randomRow(100 + i, 20))
// In the same order each epoch.
const rows = (seed) =>
  new MaskedRows(new StreamPacking(memoryTokens(documents), { rowLength: 40 }), masking, [seed])

test('each epoch hides other tokens of a row; the same row of the same epoch always the same', async () => {
  const source = rows(5)
  const row = (number, of = source) => packedBatch(of, 1, number)
  for (const number of [0, 7]) {
    const once = await row(number)
    assert.deepEqual(await row(number), once)
    assert.deepEqual(await row(number, rows(5)), once)
    const next = await row(number + source.rowsPerEpoch)
    assert.deepEqual(next.segments, once.segments)
    assert.notDeepEqual(next.labels, once.labels)
    assert.notDeepEqual((await row(number, rows(6))).labels, once.labels)
  }
})

test('a batch counts what is hidden in it, whatever its rows', async () => {
  for await (const batch of epochBatches(rows(7), 3))
    assert.equal(batch.targets, batch.labels.filter((label) => label !== IGNORE).length)
})

test('any token is one that there is, where ids are left out in between', () => {
  const tokenizer = Tokenizer.fromJson(wordTokenizer({ a: 0, b: 40, c: 70_000 }, { '<mask>': 3 }))
  const some = maskingOf({ tokenizer, maskTokenId: 3 }, { probability: 1, mask: 0, random: 1 })
  const ids = new Int32Array(1000).fill(40)
  hideTokens(ids, ids.slice(), some, new Random(3))
  assert.deepEqual(
    [...new Set(ids)].sort((a, b) => a - b),
    [0, 3, 40, 70_000],
  )
})

test('a tokenizer without a mask token is refused with what to write', () => {
  assert.throws(
    () => maskingOf({ tokenizer: { vocabSize: 3 }, maskTokenId: undefined }),
    (error) => {
      assert.equal(error.code, 'ERR_TOKENIZER')
      assert.match(error.message, /expected a mask token, found none/)
      assert.match(error.hint, /"mask_token": "\[MASK\]"/)
      return true
    },
  )
})
