// A thread that answers tasks: in any order, until it ends, and then another does.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { TaskThread } from '#lib/text/task_thread'
import { temporaryFolder } from '../helpers/folders.mjs'

/** Doubles numbers, later ones sooner; -1 throws, -2 ends the thread. */
const SCRIPT = `
const { parentPort } = require('node:worker_threads')
parentPort.on('message', ({ id, number }) => {
  if (number === -1) throw new Error('a bad number')
  if (number === -2) process.exit(3)
  setTimeout(() => parentPort.postMessage({ id, twice: 2 * number }), 60 - 20 * number)
})`

function doubling() {
  const script = join(temporaryFolder(), 'worker.js')
  writeFileSync(script, SCRIPT)
  const thread = new TaskThread(script)
  const failure = ({ message }) => new Error(`told: ${message}`)
  return (number, signal) => thread.ask({ number }, { failure, signal }).then(({ twice }) => twice)
}

test('each task gets its own answer, whichever comes first', async () => {
  const double = doubling()
  assert.deepEqual(await Promise.all([1, 2, 3].map((number) => double(number))), [2, 4, 6])
})

test('a thread that fails or ends fails all that wait, and the next task starts another', async () => {
  const double = doubling()
  for (const [ending, message] of [
    [-1, /told: a bad number/],
    [-2, /told: its thread has ended/],
  ]) {
    const lost = [double(1), double(ending)]
    for (const one of await Promise.allSettled(lost)) assert.match(one.reason.message, message)
    assert.equal(await double(3), 6)
  }
})

test('one that is not waited for any more takes nothing from others', async () => {
  const double = doubling()
  const stop = new AbortController()
  const given_up = double(1, stop.signal)
  stop.abort(new Error('enough'))
  await assert.rejects(given_up, /enough/)
  assert.equal(await double(2), 4)
  await assert.rejects(double(2, stop.signal), /enough/)
})
