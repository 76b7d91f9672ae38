import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { cli, clone } from '../helpers/cli.mjs'

/** A generation that would take minutes; the small model has no tokenizer, so it speaks in ids. */
const LONG = [
  'generate',
  join(clone, 'test/golden/decoder/llama'),
  '--prompt-ids',
  '1,2,3',
  '--max-new-tokens',
  '1000000',
]

/** Sends signals once the process has had time to load libtorch. */
function interrupt(...signals) {
  return (child) => {
    for (const [i, signal] of signals.entries()) setTimeout(() => child.kill(signal), 1500 + 20 * i)
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`${signal} ends a run that leaves nothing to resume with exit code 130`, async () => {
    const { code, err } = await cli(LONG, { onStart: interrupt(signal) })
    assert.equal(code, 130)
    assert.equal(err, `error: stopped by ${signal}\n`)
  })
}

test('under --json the interruption is one JSON document', async () => {
  const { code, out } = await cli([...LONG, '--json'], { onStart: interrupt('SIGINT') })
  assert.equal(code, 130)
  assert.equal(JSON.parse(out).error.code, 'ERR_INTERRUPTED')
})

test('a second signal ends the process at once, without a crash', async () => {
  const { code, signal } = await cli(LONG, { onStart: interrupt('SIGINT', 'SIGINT') })
  assert.equal(code, 130)
  assert.equal(signal, null)
})

test('a reader that leaves early is no failure', async () => {
  const { code } = await cli(['--help'], { onStart: (child) => child.stdout.destroy() })
  assert.equal(code, 0)
})
