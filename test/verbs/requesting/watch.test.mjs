// What ends one attempt at a request, and leaves nothing in the signal of the whole, which outlives thousands of them.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { Watch } from '#lib/verbs/requesting/watch'

const HOUR = 3600 // seconds

const aborted = (signal) => new Promise((done) => signal.addEventListener('abort', done, { once: true }))

test('an attempt ends with the whole, for its reason, and at once where that has ended', () => {
  const whole = new AbortController()
  const watch = new Watch(whole.signal, HOUR)
  assert.equal(watch.signal.aborted, false)
  whole.abort('the very reason')
  assert.equal(watch.signal.reason, 'the very reason')
  const next = new Watch(whole.signal, HOUR)
  assert.equal(next.signal.reason, 'the very reason')
  for (const { late } of [watch, next]) assert.equal(late, false)
  watch.end()
  next.end()
})

test('an attempt ends late, and the whole goes on', async () => {
  const whole = new AbortController()
  const watch = new Watch(whole.signal, 0.01)
  await aborted(watch.signal)
  watch.end()
  assert.equal(watch.late, true)
  assert.equal(whole.signal.aborted, false)
})

test('attempts that are over leave nothing in the signal of the whole', () => {
  const whole = new AbortController()
  for (let i = 0; i < 100; i++) new Watch(whole.signal, HOUR).end()
  assert.deepEqual(getEventListeners(whole.signal, 'abort'), [])
  // What AbortSignal.any leaves there is known to Node alone.
  const own = Object.getOwnPropertySymbols(whole.signal)
  const dependants = own.find(({ description }) => description === 'kDependantSignals')
  assert.equal(whole.signal[dependants]?.size ?? 0, 0)
})
