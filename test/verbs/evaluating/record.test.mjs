import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAllSamples } from '#lib/verbs/evaluating/record'

test('the samples of several tasks are one list, however many documents each has', async () => {
  const made = { a: Array.from({ length: 200_000 }, (_, i) => i), b: [-1] }
  const all = await readAllSamples(['a', 'b'], async (name) => made[name])
  assert.deepEqual([all.length, all[0], all.at(-2), all.at(-1)], [200_001, 0, 199_999, -1])
})
