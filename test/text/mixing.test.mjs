import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { inTurn, interleave, weighted } from '#lib/text/mixing'
import { memoryTokens } from '#lib/text/tokens'

const documents = (count, mark) =>
  memoryTokens(
    Array.from({ length: count }, (_, i) => ({ ids: Int32Array.of(mark, i, ...Array(i % 3).fill(7)) })),
  )

/** How often each document is there, by its first two ids. */
async function census(tokens) {
  const counts = new Map()
  let total = 0
  for (let document = 0; document < tokens.count; document++) {
    const [ids, labels] = [0, 0].map(() => new Int32Array(tokens.length(document)))
    await tokens.read(document, 0, ids, labels)
    assert.deepEqual(labels, ids)
    assert.equal(tokens.firstTarget(document), 1)
    total += ids.length
    const key = `${ids[0]}:${ids[1]}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  assert.equal(tokens.total, total)
  return counts
}

test('a weight says how often each document is there; a fraction adds a seeded part once more', async () => {
  const part = fc.record({
    count: fc.integer({ min: 1, max: 30 }),
    weight: fc.double({ min: 0.05, max: 3.5, noNaN: true }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 4 }), fc.maxSafeNat(), async (parts, seed) => {
      const of = () => parts.map(({ count, weight }, mark) => ({ tokens: documents(count, mark), weight }))
      const counts = await census(await weighted(of(), seed))
      for (const [mark, { count, weight }] of parts.entries()) {
        const times = Array.from({ length: count }, (_, i) => counts.get(`${mark}:${i}`) ?? 0)
        const whole = Math.floor(weight)
        assert.ok(times.every((time) => time === whole || time === whole + 1))
        const more = times.filter((time) => time > whole).length
        assert.equal(more, Math.round((weight - whole) * count))
      }
      assert.deepEqual(await census(await weighted(of(), seed)), counts, 'the same seed takes the same')
    }),
  )
})

/** A source of rows that notes who was asked for which. */
const rowsOf = (name, log, rowsPerEpoch = 10) => ({
  rowLength: 4,
  rowsPerEpoch,
  async fill(row, _batch, at) {
    log[at] = { name, row }
  },
})
async function filled(rows, count) {
  const log = []
  for (let row = 0; row < count; row++) await rows(log).fill(row, undefined, row)
  return log
}

test('replayed rows have their share of every stretch, and no source leaves out or repeats a row', async () => {
  const share = fc.double({ min: 0.01, max: 0.3, noNaN: true })
  await fc.assert(
    fc.asyncProperty(fc.array(share, { minLength: 1, maxLength: 3 }), async (shares) => {
      const others = (log) => shares.map((one, i) => ({ rows: rowsOf(`other ${i}`, log), share: one }))
      const log = await filled((notes) => interleave(rowsOf('main', notes), others(notes)), 400)
      for (const name of ['main', ...shares.map((_, i) => `other ${i}`)]) {
        const rows = log.filter((entry) => entry.name === name).map(({ row }) => row)
        assert.deepEqual(
          rows,
          rows.map((_, i) => i),
          name,
        )
      }
      const sum = shares.reduce((a, b) => a + b, 0)
      for (const [from, to] of [
        [0, 400],
        [13, 50],
        [100, 101],
        [201, 399],
      ]) {
        const part = log.slice(from, to)
        const found = part.filter(({ name }) => name !== 'main').length
        assert.ok(Math.abs(found - sum * (to - from)) <= 1 + 1e-9, 'all replay to within a row')
        for (const [i, one] of shares.entries()) {
          const alone = part.filter(({ name }) => name === `other ${i}`).length
          assert.ok(Math.abs(alone - one * (to - from)) <= shares.length + 1e-9)
        }
      }
    }),
  )
})

test('sources in turn: an epoch has an epoch of each, in their order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }),
      async (epochs) => {
        const total = epochs.reduce((sum, rows) => sum + rows, 0)
        const rows = (log) => inTurn(epochs.map((count, name) => rowsOf(name, log, count)))
        assert.equal(rows([]).rowsPerEpoch, total)
        const expected = [0, 1].flatMap((epoch) =>
          epochs.flatMap((count, name) =>
            Array.from({ length: count }, (_, i) => ({ name, row: epoch * count + i })),
          ),
        )
        assert.deepEqual(await filled(rows, 2 * total), expected)
      },
    ),
  )
})

test('an epoch with replay is as long as it takes to see the data once', () => {
  const log = []
  const mixed = interleave(rowsOf('main', log, 90), [{ rows: rowsOf('other', log), share: 0.1 }])
  assert.equal(mixed.rowsPerEpoch, 100)
  assert.equal(interleave(rowsOf('main', log, 90), []).rowsPerEpoch, 90)
})

test('documents that belong together are drawn together, and stay neighbours', async () => {
  const property = async (groups, weight, seed) => {
    const tokens = await weighted([{ tokens: documents(2 * groups, 0), weight }], seed, 2)
    assert.equal(tokens.count, 2 * (Math.floor(weight) * groups + Math.round((weight % 1) * groups)))
    for (let first = 0; first < tokens.count; first += 2) {
      const [a, b] = [new Int32Array(2), new Int32Array(2)]
      await tokens.read(first, 0, a, new Int32Array(2))
      await tokens.read(first + 1, 0, b, new Int32Array(2))
      assert.equal(a[1] % 2, 0)
      assert.equal(b[1], a[1] + 1)
    }
  }
  const weight = fc.double({ min: 0.05, max: 3.5, noNaN: true })
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 20 }), weight, fc.maxSafeNat(), property))
})
