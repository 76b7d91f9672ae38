import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { shotPicker } from '#lib/tasks/shots'

const task = (shots) => ({ name: 'task', shots: { split: 'train', ...shots } })
const docs = (count) => Array.from({ length: count }, (_, id) => ({ id, tags: ['a', id] }))

test('the first ones are the first ones, and none are none', () => {
  const pool = docs(5)
  assert.deepEqual(shotPicker(task({ pick: 'first' }), pool, 2, 1)(pool[0]), pool.slice(0, 2))
  assert.deepEqual(
    shotPicker(task({ pick: 'first', without_self: true }), pool, 2, 1)({ ...pool[0] }),
    pool.slice(1, 3),
  )
  assert.deepEqual(shotPicker(task({ pick: 'random' }), [], 0, 1)({}), [])
})

test('drawn ones are from the pool, each once, never the document itself where it is to be left out; and the same again', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 3, max: 60 }),
      fc.nat(4),
      fc.nat(1e6),
      fc.boolean(),
      (size, more, seed, without_self) => {
        const pool = docs(size)
        const count = Math.min(1 + more, size - 1)
        const picks = () => {
          const pick = shotPicker(task({ pick: 'random', without_self }), pool, count, seed)
          return pool.map((doc) => pick({ ...doc }))
        }
        const drawn = picks()
        for (const [i, shots] of drawn.entries()) {
          assert.equal(new Set(shots.map(({ id }) => id)).size, count)
          if (without_self) assert.ok(shots.every(({ id }) => id !== i))
        }
        assert.deepEqual(picks(), drawn)
      },
    ),
  )
})

test('a document that stands in the pool twice is left out twice', () => {
  const pool = [{ id: 0 }, { id: 0 }, { id: 1 }, { id: 2 }]
  for (let seed = 0; seed < 50; seed++) {
    const shots = shotPicker(task({ pick: 'random', without_self: true }), pool, 2, seed)({ id: 0 })
    assert.deepEqual(shots.map(({ id }) => id).sort(), [1, 2], `seed ${seed}`)
  }
})

test('too small a pool is refused with what would do', () => {
  const expected = {
    code: 'ERR_DATA',
    message: 'task: expected at least 4 documents to take examples from, found 3',
  }
  assert.throws(() => shotPicker(task({ pick: 'random', without_self: true }), docs(3), 3, 1), expected)
  const twice = [...docs(2), ...docs(2)]
  for (const pick of ['first', 'random'])
    assert.throws(() => shotPicker(task({ pick, without_self: true }), twice, 3, 1)(twice[0]), {
      code: 'ERR_DATA',
      message: 'task: expected at least 3 documents to take examples from, found 2',
    })
})
