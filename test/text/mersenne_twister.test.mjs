import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { PythonRandom } from '#lib/text/mersenne_twister'

const golden = JSON.parse(readFileSync(new URL('../golden/evaluate/random.json', import.meta.url), 'utf8'))

test("numbers and samples are those of Python's random, for every seed and both ways to sample", () => {
  for (const { seed, numbers, samples, last } of golden) {
    const random = new PythonRandom(seed)
    assert.deepEqual(
      numbers.map(() => random.uint32()),
      numbers,
      `seed ${seed}`,
    )
    for (const { size, count, drawn } of samples)
      assert.deepEqual(random.sample(size, count), drawn, `seed ${seed}: ${count} of ${size}`)
    let number
    for (let i = 0; i < 2000; i++) number = random.uint32()
    assert.equal(number, last, `seed ${seed}`)
  }
})

test('a sample has what was asked for, each once and within bounds', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.integer({ min: 1, max: 500 }), fc.nat(500), (seed, size, wanted) => {
      const count = Math.min(wanted, size)
      const drawn = new PythonRandom(seed).sample(size, count)
      assert.equal(new Set(drawn).size, count)
      assert.ok(drawn.every((index) => Number.isInteger(index) && index >= 0 && index < size))
    }),
  )
})
