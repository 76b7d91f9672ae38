import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Progress } from '#lib/cli/progress'
import { short, stepLine, TrainingView } from '#lib/cli/training_view'

const STEP = {
  step: 120,
  steps: 300,
  loss: 2.34118,
  grad_norm: 1,
  lr: 1e-3,
  tokens: 2000,
  tokens_per_second: 9312.5,
  padded_tokens_per_second: 10_140,
  mfu: 0.4127,
  memory_bytes: 1.2e9,
  peak_memory_bytes: 1.3e9,
}

/** A view on a screen of its own; what was written so far is `text()`. */
function viewOn({ isTTY, columns = 120, silent = false }) {
  const written = []
  const progress = new Progress({ isTTY, columns, write: (text) => written.push(text) }, { silent })
  const view = new TrainingView({ progress, say: (line) => written.push(`${line}\n`) })
  return { view, progress, text: () => written.join('') }
}

/** What a terminal shows in the end: a carriage return and ESC [K begin a line anew. */
const shown = (text) => text.split('\n').map((line) => line.slice(line.lastIndexOf('\r\x1b[K') + 4))

test('the live line has step, loss, tokens with and without padding, MFU, memory and the time to go', () => {
  assert.equal(
    stepLine(STEP, 180, 120),
    'step 120/300  loss 2.3412  9.3k tok/s  (padded 10.1k)  MFU 41 %  1.20 GB  3 min 0 s to go',
  )
})

test('an evaluation shows the held-out loss, and how many samples ended by themselves', () => {
  const line = stepLine({ ...STEP, eval_loss: 2.5, stop_rate: 2 / 3 }, 180, 120)
  assert.match(line, /^step 120\/300 {2}loss 2\.3412 {2}held out 2\.5000 {2}stops 67 % {2}9\.3k tok\/s/)
})

test('a run that prunes shows how much is zero; one without zeros says nothing of them', () => {
  assert.match(stepLine({ ...STEP, sparsity: 0.8 }, 180, 120), /loss 2\.3412 {2}80 % zeros {2}9\.3k tok/)
  assert.equal(stepLine({ ...STEP, sparsity: 0 }, 180, 120), stepLine(STEP, 180, 120))
})

test('rows without padding do not say the same rate twice, and the last step has no time to go', () => {
  const last = { ...STEP, step: 300, padded_tokens_per_second: 9312.5, mfu: 0.0042 }
  assert.equal(stepLine(last, 0, 120), 'step 300/300  loss 2.3412  9.3k tok/s  MFU 0.4 %  1.20 GB')
})

test('a narrow terminal loses what matters least', () => {
  const widths = [200, 80, 60, 50, 30, 10]
  const lines = widths.map((width) => stepLine({ ...STEP, eval_loss: 2.5 }, 61, width))
  assert.deepEqual(lines, [
    'step 120/300  loss 2.3412  held out 2.5000  9.3k tok/s  (padded 10.1k)  MFU 41 %  1.20 GB  1 min 1 s to go',
    'step 120/300  loss 2.3412  held out 2.5000  9.3k tok/s  1 min 1 s to go',
    'step 120/300  loss 2.3412  held out 2.5000  1 min 1 s to go',
    'step 120/300  loss 2.3412  held out 2.5000',
    'step 120/300  loss 2.3412',
    'step 120/300  loss 2.3412',
  ])
  for (const [i, line] of lines.slice(0, 5).entries()) assert.ok(line.length < widths[i])
})

test('rates are short', () => {
  assert.deepEqual([0, 12.4, 999.4, 999.6, 99_949, 99_951, 999_499, 1.25e6].map(short), [
    '0',
    '12',
    '999',
    '1.0k',
    '99.9k',
    '100k',
    '999k',
    '1.3M',
  ])
})

test('a terminal has one line for all steps; those with an evaluation and the last one stay', () => {
  const { view, progress, text } = viewOn({ isTTY: true })
  for (let step = 1; step <= 300; step++)
    view.step({ ...STEP, step, ...(step % 100 === 50 && { eval_loss: 2.5 }) })
  progress.end()
  const lines = shown(text())
  assert.deepEqual(
    lines.map((line) => line.split('  ')[0]),
    ['step 50/300', 'step 150/300', 'step 250/300', 'step 300/300', ''],
  )
  assert.match(lines[0], /held out 2\.5000/)
  assert.ok(text().length < 300 * 80, 'and is not redrawn at each of them')
})

test('a warning or a note does not break into the live line', () => {
  const { view, text } = viewOn({ isTTY: true })
  view.step(STEP)
  view.warning('careful')
  view.note('by the way')
  assert.ok(text().includes('careful\n') && text().includes('by the way\n'))
})

test('a log is lines of JSON: every update with its time to go, warnings, notes', () => {
  const { view, text } = viewOn({ isTTY: false })
  view.warning('damaged "checkpoint"')
  view.note('by the way')
  for (const step of [120, 121, 122]) view.step({ ...STEP, step })
  const [warning, note, first, ...rest] = text()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(warning, { warning: 'damaged "checkpoint"' })
  assert.deepEqual(note, { note: 'by the way' })
  assert.deepEqual(first, STEP, 'the first one has no pace yet')
  for (const [i, line] of rest.entries()) assert.deepEqual(line, { ...STEP, step: 121 + i, seconds_to_go: 0 })
})

test('a log tells every ten seconds of work that takes long, and not of short work', (t) => {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const { view, text } = viewOn({ isTTY: false })
  const work = (label, seconds) => {
    for (let done = 1; done <= seconds; done++, now += 1000) view.progress({ label, done, total: seconds })
  }
  work('reference', 25)
  work('evaluate', 9)
  view.step(STEP)
  work('evaluate', 9)
  const told = text()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ progress }) => progress)
  assert.deepEqual(told, [
    { progress: 'reference', done: 11, total: 25 },
    { progress: 'reference', done: 21, total: 25 },
  ])
})

test('an evaluation between updates stands where the steps do, and its result replaces it', (t) => {
  let now = 0
  t.mock.method(performance, 'now', () => (now += 200))
  const { view, text } = viewOn({ isTTY: true })
  view.step(STEP)
  for (let done = 1; done <= 3; done++) view.progress({ label: 'evaluate', done, total: 3 })
  assert.deepEqual(shown(text()), ['evaluate  3 of 3'])
  view.step({ ...STEP, eval_loss: 2 })
  assert.equal(shown(text()).length, 2)
  assert.match(shown(text())[0], /^step 120.*held out/)
})

test('the time to go is that of the updates made here: what a resumed run found done says nothing', async () => {
  const { view, text } = viewOn({ isTTY: false })
  view.step({ ...STEP, step: 200 })
  await new Promise((done) => setTimeout(done, 60))
  view.step({ ...STEP, step: 201 })
  const { seconds_to_go } = JSON.parse(text().trimEnd().split('\n')[1])
  assert.ok(seconds_to_go >= 5 && seconds_to_go < 60, `${seconds_to_go} s for 99 updates of 60 ms`)
})

for (const isTTY of [true, false]) {
  test(`--quiet silences it (${isTTY ? 'terminal' : 'log'})`, () => {
    const { view, text } = viewOn({ isTTY, silent: true })
    view.progress({ label: 'reference', done: 1, total: 2 })
    view.step({ ...STEP, eval_loss: 2 })
    assert.equal(text(), '')
  })
}

test('after a rollback the pace is taken anew: no time to go is negative', () => {
  const { view, text } = viewOn({ isTTY: false })
  for (const step of [120, 121, 110, 111]) view.step({ ...STEP, step })
  const lines = text()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    lines.map(({ seconds_to_go }) => seconds_to_go),
    [undefined, 0, undefined, 0],
  )
})
