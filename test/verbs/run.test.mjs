// A run seen by several loops at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Run } from '#lib/verbs/run'
import { sleep, withDeadline } from '../helpers/stress.mjs'

for (const fails of [false, true])
  test(`two loops over one run share its items, and both end where it ${fails ? 'fails' : 'ends'}`, async () => {
    const failure = new Error('no more')
    const run = new Run(async (emit) => {
      for (let i = 0; i < 6; i++) {
        await sleep(5) // both wait
        emit(i)
      }
      await sleep(5)
      if (fails) throw failure
    })
    const seen = []
    const loop = async () => {
      for await (const item of run) seen.push(item)
    }
    const ends = await withDeadline(Promise.allSettled([loop(), loop(), loop()]), 'the loops')
    const expected = fails
      ? { status: 'rejected', reason: failure }
      : { status: 'fulfilled', value: undefined }
    assert.deepEqual(ends, [expected, expected, expected])
    assert.deepEqual(seen, [0, 1, 2, 3, 4, 5])
  })
