import assert from 'node:assert/strict'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { firstEvent, follow } from '#lib/verbs/own_process/follow'
import { temporaryFolder } from '../../helpers/folders.mjs'
import { seed } from '../../helpers/stress.mjs'

const home = temporaryFolder()
let made = 0
const newFile = (content = '') => {
  const file = join(home, `events-${made++}.jsonl`)
  writeFileSync(file, content)
  return file
}
const events = (count) =>
  Array.from({ length: count }, (_, i) => ({ event: 'warning', message: `Straße ${i} 語` }))
const textOf = (all) => all.map((event) => `${JSON.stringify(event)}\n`).join('')

async function heard(file, options) {
  const all = []
  for await (const event of follow(file, options)) all.push(event)
  return all
}

test(`events arrive once and in order, however they are written (seed ${seed})`, async () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(fc.nat(6), fc.nat(8), pieces, async (count, skip, sizes) => {
      const file = newFile()
      const bytes = Buffer.from(textOf(events(count)))
      let [at, turn] = [0, 0]
      // Written between two questions: characters and lines are cut anywhere.
      const alive = () => {
        const end = at + sizes[turn++ % sizes.length]
        appendFileSync(file, bytes.subarray(at, end))
        at = end
        return at < bytes.length
      }
      const now = AbortSignal.abort() // no waiting
      assert.deepEqual(await heard(file, { skip, alive, signal: now }), events(count).slice(skip))
    }),
    { seed, numRuns: 60 },
  )
})

test('what is longer than is read at once is one event', async () => {
  const long = [{ event: 'warning', message: 'ü'.repeat(200_000) }, ...events(2)]
  assert.deepEqual(await heard(newFile(textOf(long)), { alive: () => false }), long)
})

test('a line that its writer was killed in is left out', async () => {
  const file = newFile(`${textOf(events(2))}{"event":"warn`)
  assert.deepEqual(await heard(file, { alive: () => false }), events(2))
  assert.deepEqual(await firstEvent(file), events(1)[0])
  assert.equal(await firstEvent(newFile('{"event"')), undefined)
})

test('a line that is no event names its place', async () => {
  const file = newFile(`${textOf(events(2))}nonsense\n`)
  await assert.rejects(heard(file, { alive: () => false }), {
    code: 'ERR_DATA',
    message: `${file}:3: expected an event of a run, received text that is not JSON`,
    hint: /resume: true/,
  })
})

test('waiting ends with its signal', async () => {
  const stop = new AbortController()
  const over = heard(newFile(), { alive: () => !stop.signal.aborted, signal: stop.signal })
  await setImmediate()
  stop.abort()
  assert.deepEqual(await over, [])
})
