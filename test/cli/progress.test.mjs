import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, duration, Progress, progressLine } from '#lib/cli/progress'

test('a line has label, bar, count, rate, time to go and note', () => {
  const update = { label: 'graft', done: 25e6, total: 100e6, unit: 'bytes', note: 'shard 1' }
  assert.equal(
    progressLine(update, { elapsed: 1000, from: 0, withBar: true }),
    'graft  [#####...............]  25.0 MB of 100 MB  25.0 MB/s  3 s to go  shard 1',
  )
})

test('the rate waits until there is something to measure', () => {
  assert.equal(
    progressLine({ label: 'train', done: 1, total: 100 }, { elapsed: 10, from: 0, withBar: false }),
    'train  1 of 100',
  )
})

test('what a resumed run found done does not count for its rate', () => {
  const line = progressLine(
    { label: 'train', done: 60, total: 100 },
    { elapsed: 1000, from: 50, withBar: false },
  )
  assert.equal(line, 'train  60 of 100  10.0/s  4 s to go')
})

test('a terminal gets one line redrawn in place, a log a line for each label', () => {
  for (const isTTY of [true, false]) {
    const written = []
    const progress = new Progress({ isTTY, columns: 80, write: (text) => written.push(text) })
    for (let done = 0; done < 50; done++) progress.update({ label: 'a', done, total: 100 })
    progress.update({ label: 'b' })
    progress.end()
    const text = written.join('')
    assert.equal(text.split('\n').length - 1, 2)
    assert.equal(text.includes('\r'), isTTY)
  }
})

test('a silent one writes nothing', () => {
  const progress = new Progress({ isTTY: true, write: () => assert.fail('wrote') }, { silent: true })
  progress.update({ label: 'a', done: 1, total: 2 })
  progress.end()
})

test('bytes and durations read well', () => {
  assert.deepEqual([0, 999, 1500, 999_999, 2.5e9].map(bytes), [
    '0 B',
    '999 B',
    '1.50 kB',
    '1.00 MB',
    '2.50 GB',
  ])
  assert.deepEqual([0.4, 59, 61, 3725].map(duration), ['0 s', '59 s', '1 min 1 s', '1 h 2 min'])
})

test('of what has no total, what is done is told with its unit', () => {
  const line = (update) => progressLine(update, { elapsed: 10, from: 0, withBar: true })
  assert.equal(line({ label: 'count', done: 1500, unit: 'bytes' }), 'count  1.50 kB')
  assert.equal(line({ label: 'learn', done: 64, unit: 'tokens' }), 'learn  64 tokens')
})
