// How much goes: every way to say it, what it leaves of each layer, and what no layers have.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Random } from '#lib/text/random'
import { amountSteps, isOpen, unitBudget, unitsLeft } from '#lib/verbs/compressing/unit_budget'

const layers = (...counts) => counts.map((count) => ({ count, size: 1 }))
const groups = (size, ...counts) => counts.map((count) => ({ count, size }))
const amount = (given) => ({ scope: 'layer', uniform: false, ...given })
const budget = (given, units) => unitBudget(amount(given), units, 'heads')
const refused = (given, units, key, message, hint) =>
  assert.throws(() => budget(given, units), {
    code: 'ERR_CONFIG',
    message,
    hint,
    details: { key },
  })

describe('what each layer keeps', () => {
  test('keep is of each layer; one that has fewer stays as it is', () => {
    assert.deepEqual(budget({ keep: 6 }, layers(8, 8, 5)), { keep: [6, 6, 5] })
    assert.deepEqual(budget({ keep: 8 }, layers(8, 8)), { keep: [8, 8] })
    assert.deepEqual(budget({ keep: 6 }, groups(2, 4, 4)), { keep: [3, 3] })
  })

  test('remove is of each layer: a number, or a share rounded down', () => {
    assert.deepEqual(budget({ remove: 3 }, layers(8, 5)), { keep: [5, 2] })
    assert.deepEqual(budget({ remove: 0.3 }, layers(8, 5)), { keep: [6, 4] })
    assert.deepEqual(budget({ remove: 0.29 }, layers(100)), { keep: [71] })
    assert.deepEqual(budget({ remove: 0.5 }, groups(4, 5)), { keep: [3] })
  })

  test('what a layer keeps is rounded up to a multiple, as far as it has them', () => {
    assert.deepEqual(budget({ remove: 0.3, multiple_of: 64 }, layers(3072)), { keep: [2176] })
    assert.deepEqual(budget({ keep: 65, multiple_of: 64 }, layers(100, 256)), { keep: [100, 128] })
  })

  test('uniform leaves every layer equally many, of layers that differ too', () => {
    assert.deepEqual(budget({ remove: 3, scope: 'global', uniform: true }, layers(8, 8)), { keep: [6, 6] })
    assert.deepEqual(budget({ remove: 4, uniform: true }, layers(8, 6)), { keep: [3, 3] })
    assert.deepEqual(budget({ remove: 0.1, uniform: true }, layers(9, 4)), { keep: [4, 4] })
    assert.deepEqual(budget({ keep: 4, uniform: true }, groups(2, 4, 3)), { keep: [2, 2] })
  })

  test('of all layers together: how many go, in blocks where a multiple is to be left', () => {
    assert.deepEqual(budget({ remove: 5, scope: 'global' }, layers(8, 8)), { remove: 5, block: 1 })
    assert.deepEqual(budget({ remove: 0.4, scope: 'global' }, layers(8, 9)), { remove: 6, block: 1 })
    assert.deepEqual(budget({ remove: 6, scope: 'global' }, groups(2, 4, 4)), { remove: 3, block: 1 })
    const blocks = budget({ remove: 0.5, scope: 'global', multiple_of: 64 }, layers(192, 128))
    assert.deepEqual(blocks, { remove: 128, block: 64 })
  })
})

describe('what only scores can tell', () => {
  test('an example has the right sum, and leaves each layer a block', () => {
    const random = new Random(3)
    for (let round = 0; round < 200; round++) {
      const block = 1 + random.below(3)
      const units = layers(
        ...Array.from({ length: 1 + random.below(5) }, () => block * (1 + random.below(6))),
      )
      const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)
      const counts = units.map(({ count }) => count)
      const remove = block * random.below((sum(counts) - block * units.length) / block + 1)
      const left = unitsLeft({ remove, block }, units)
      assert.equal(sum(left), sum(counts) - remove)
      assert.ok(left.every((count, i) => count >= block && count <= counts[i]))
    }
  })

  test('nothing is open where nothing goes, all goes that can, or there is one layer', () => {
    const open = (remove, ...counts) => isOpen({ remove, block: 1 }, layers(...counts))
    assert.deepEqual([open(0, 4, 4), open(6, 4, 4), open(2, 4), open(1, 4, 4)], [false, false, false, true])
    assert.equal(isOpen({ keep: [1, 2] }, layers(4, 4)), false)
  })
})

describe('what the layers do not have is refused', () => {
  test('more than there is', () => {
    refused({ keep: 9 }, layers(8, 5), 'keep', 'expected at most 8 heads, as many as a layer has, received 9')
    refused({ remove: 5 }, layers(8, 5), 'remove', 'expected fewer than the 5 heads of layer 1, received 5')
    refused({ remove: 9 }, groups(4, 2), 'remove', 'expected fewer than the 8 heads of layer 0, received 9')
    refused(
      { remove: 12, scope: 'global' },
      layers(8, 5),
      'remove',
      'expected at most 11 of 13 heads to go, as each layer keeps its best, received 12',
    )
    refused(
      { keep: 6, uniform: true },
      layers(8, 5),
      'keep',
      'expected 1 to 5 heads in each layer, as the smallest has, received 6',
    )
    refused(
      { remove: 13, scope: 'global', uniform: true },
      layers(8, 5),
      'remove',
      'expected 1 to 5 heads in each layer, as the smallest has, received 0',
    )
  })

  test('parts of what goes together', () => {
    const hint = 'Nearest: 4 and 8.'
    refused(
      { keep: 5 },
      groups(4, 4),
      'keep',
      'expected a multiple of 4, as so many heads go together, received 5',
      hint,
    )
    refused(
      { remove: 5 },
      groups(4, 4),
      'remove',
      'expected a multiple of 4, as so many heads go together, received 5',
      hint,
    )
    refused(
      { keep: 3 },
      groups(4, 4),
      'keep',
      'expected a multiple of 4, as so many heads go together, received 3',
      'Nearest: 4.',
    )
  })

  test('one sum of parts that differ', () => {
    const mixed = [...groups(2, 4), ...groups(3, 4)]
    refused(
      { remove: 6, scope: 'global' },
      mixed,
      'scope',
      'expected layers where equally many heads go together, received some of 2 and some of 3',
      'Give keep, or remove by layer, without steps.',
    )
    refused(
      { remove: 64, scope: 'global', multiple_of: 64 },
      layers(128, 100),
      'multiple_of',
      'expected a divisor of the 100 heads of layer 1, received 64',
    )
  })
})

describe('in steps', () => {
  const steps = (given, units, count) => amountSteps(amount(given), units, count, 'rows')

  test("the paper's twenty steps of 128 rows", () => {
    const all = steps({ keep: 512 }, layers(...Array(12).fill(3072)), 20)
    assert.deepEqual(
      all.map(({ keep }) => keep),
      Array.from({ length: 20 }, (_, i) => 3072 - 128 * (i + 1)),
    )
  })

  test("the paper's eleven steps of twelve heads", () => {
    const all = steps({ remove: 132, scope: 'global' }, layers(...Array(12).fill(12)), 11)
    assert.deepEqual(
      all.map(({ remove, scope }) => [remove, scope]),
      Array(11).fill([12, 'global']),
    )
  })

  test('one after the other they end where the whole does', () => {
    const random = new Random(5)
    for (let round = 0; round < 200; round++) {
      const size = 1 + random.below(3)
      const count = 4 + random.below(9)
      const whole = [
        { keep: size * (1 + random.below(count - 2)) },
        { remove: size * (2 + random.below(count - 3)) },
        { remove: 0.6 },
        { remove: 0.6, uniform: true },
        { remove: 2 * size * (1 + random.below(count - 2)), scope: 'global' },
      ][round % 5]
      const units = groups(size, count, count)
      const left = (given, units) => {
        const counts = unitsLeft(unitBudget(given, units, 'heads'), units)
        return counts.map((count) => ({ count, size }))
      }
      const end = left(amount(whole), units)
      const parts = amountSteps(amount(whole), units, 2, 'heads')
      const sum = (all) => all.reduce((total, { count }) => total + count, 0)
      assert.equal(sum(parts.reduce((now, part) => left(part, now), units)), sum(end), JSON.stringify(whole))
    }
  })

  test('more steps than parts that go are refused', () => {
    assert.throws(() => steps({ keep: 6 }, layers(8, 8), 3), {
      message: 'expected at most 2, one for each part that goes, received 3',
      details: { key: 'steps' },
    })
    assert.throws(() => steps({ remove: 0.5 }, layers(8, 6), 2), {
      message: 'expected layers that are alike where remove is reached in steps',
      hint: 'Give keep instead.',
    })
  })
})
