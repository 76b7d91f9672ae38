import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  crc32c,
  EventFile,
  record,
  scalarEvent,
  startEvent,
  textEvent,
  versionEvent,
} from '#lib/report/tensorboard'
import { temporaryFolder } from '../helpers/folders.mjs'

const NOW = new Date(1_700_000_000_250)
const files = (folder) => readdirSync(folder).sort()

test('checksums are CRC-32C: the check values of RFC 3720 and of the polynomial', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa)
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43)
  assert.equal(crc32c(Buffer.alloc(0)), 0)
})

test("events have the bytes of TensorBoard's own writer", () => {
  const golden = readFileSync(new URL('../golden/tensorboard/events.bin', import.meta.url))
  const events = [
    versionEvent(NOW),
    startEvent(301, NOW),
    scalarEvent(301, { 'train/loss': 2.5, 'train/lr': 1e-3 }, NOW),
    scalarEvent(0, { 'eval/loss': 0 }, NOW),
    scalarEvent(2 ** 33, { 'eval/loss': Infinity }, NOW),
    textEvent(400, { 'samples/1': '**早安** 😀', long: 'lang '.repeat(4000) }, NOW),
  ]
  let place = 0
  for (const [i, event] of events.entries()) {
    const bytes = record(event)
    assert.deepEqual(bytes, golden.subarray(place, place + bytes.length), `event ${i}`)
    place += bytes.length
  }
  assert.equal(place, golden.length)
})

test('each file says from which step on it counts, the first one too, or TensorBoard takes no notice of the second', async () => {
  const folder = join(temporaryFolder(), 'tensorboard')
  const first = await EventFile.create(folder, 0, NOW)
  await first.scalars(1, { loss: 2 }, NOW)
  assert.deepEqual(
    readFileSync(first.path),
    Buffer.concat([versionEvent(NOW), startEvent(0, NOW), scalarEvent(1, { loss: 2 }, NOW)].map(record)),
  )
  const second = await EventFile.create(folder, 5, NOW)
  assert.deepEqual(
    readFileSync(second.path),
    Buffer.concat([versionEvent(NOW), startEvent(5, NOW)].map(record)),
  )
})

test('files that begin within a second, or after a clock went back, sort in the order of their beginning', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'notes.txt'), '')
  const made = []
  for (const seconds of [1_700_000_000, 1_700_000_000, 1_600_000_000, 1_700_000_000])
    made.push((await EventFile.create(folder, 0, new Date(seconds * 1000))).path)
  assert.deepEqual(
    files(folder)
      .filter((name) => name.includes('tfevents'))
      .map((name) => join(folder, name)),
    made,
  )
})

test('a file that cannot be written is told with its name', async () => {
  const folder = temporaryFolder()
  const file = await EventFile.create(folder, 0)
  rmSync(file.path)
  mkdirSync(file.path)
  await assert.rejects(file.scalars(1, { loss: 1 }), ({ code, message, hint, details }) => {
    assert.equal(code, 'ERR_IO')
    assert.equal(message, `${file.path}: cannot be written (EISDIR)`)
    assert.match(hint, /permissions/)
    return details.file === file.path
  })
})
