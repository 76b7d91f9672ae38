// Files of fastText that are damaged: one coded error each, with file and offset, and never more memory than the file.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { TongueforgeError } from 'tongueforge'
import { runJob } from '#lib/native'
import { Random } from '#lib/text/random'
import { labelsOf } from '../../helpers/fasttext.mjs'
import { temporaryFolder } from '../../helpers/folders.mjs'

const FILES = ['plain.bin', 'grams.bin', 'tree.bin', 'sigmoids.bin', 'pruned.ftz']
const golden = (name) => readFileSync(new URL(`../../golden/fasttext/${name}`, import.meta.url))
const folder = temporaryFolder()
const damaged = join(folder, 'damaged.bin')

async function refusal(bytes) {
  writeFileSync(damaged, bytes)
  const error = await runJob('openFastText', { path: damaged }).then(
    () => undefined,
    (thrown) => thrown,
  )
  assert.ok(error instanceof TongueforgeError, 'expected the file to be refused')
  assert.equal(error.code, 'ERR_FASTTEXT')
  assert.ok(Number(error.details.offset) <= bytes.length, error.message)
  assert.match(error.message, /damaged\.bin, offset \d+: expected /)
  assert.match(error.hint, /fastText classifier/)
  return error.details
}

/** With a number of 4 or 8 bytes put where it stands. */
function withNumber(bytes, offset, value, width = 4) {
  const copy = Buffer.from(bytes)
  if (width === 4) copy.writeInt32LE(value, offset)
  else copy.writeBigInt64LE(BigInt(value), offset)
  return copy
}

for (const name of FILES)
  test(`${name} cut short is refused wherever it is cut`, async () => {
    const bytes = golden(name)
    const step = name === 'grams.bin' ? 1 : 7
    for (let length = 0; length < bytes.length; length += step) await refusal(bytes.subarray(0, length))
  })

test('a byte after the end is refused', async () => {
  const bytes = golden('plain.bin')
  const { reason, offset } = await refusal(Buffer.concat([bytes, Buffer.alloc(1)]))
  assert.deepEqual([reason, offset], ['bytes_after_the_end', String(bytes.length)])
})

test('absurd values of the head are refused by name and place', async () => {
  const bytes = golden('grams.bin')
  const cases = [
    [0, 1, 'not_fasttext'],
    [4, 13, 'out_of_range'], // version
    [4, 10, 'out_of_range'],
    [8, 0, 'out_of_range'], // width
    [8, -1, 'out_of_range'],
    [8, 2 ** 31 - 1, 'out_of_range'],
    [28, 1000, 'out_of_range'], // n-grams of words
    [32, 5, 'out_of_range'], // loss
    [36, 2, 'not_a_classifier'],
    [40, -1, 'out_of_range'], // buckets
    [40, 0, 'out_of_range'],
    [40, 2 ** 31 - 1, 'rows'],
    [44, -2, 'out_of_range'],
    [48, 2 ** 31 - 1, 'out_of_range'],
    [64, -1, 'out_of_range'], // words and labels
    [64, 2 ** 31 - 1, 'out_of_range'],
    [68, 2 ** 31 - 1, 'out_of_range'], // words
  ]
  for (const [offset, value, expected] of cases) {
    const { reason, offset: told } = await refusal(withNumber(bytes, offset, value))
    assert.equal(reason, expected, `${value} at ${offset}`)
    if (expected === 'out_of_range') assert.ok(Number(told) >= offset, `${told} for ${offset}`)
  }
})

test('a matrix that no machine holds is refused before memory is taken', async () => {
  const bytes = golden('plain.bin')
  const labels = 5
  const output = bytes.length - labels * 4 * 4 - 17 // its flag, rows and columns, then the values
  assert.equal(bytes.readBigInt64LE(output + 1), BigInt(labels))
  const before = process.memoryUsage().rss
  for (const rows of [2 ** 39, 2 ** 40, Number.MAX_SAFE_INTEGER, -1])
    await refusal(withNumber(bytes, output + 1, rows, 8))
  await refusal(withNumber(bytes, output + 9, 2 ** 40, 8))
  assert.ok(process.memoryUsage().rss - before < 64 << 20)
})

test('words of several kinds in the wrong place are refused', async () => {
  const bytes = golden('plain.bin')
  const firstWordEnds = bytes.indexOf(0, 92)
  const kind = firstWordEnds + 9
  assert.equal(bytes[kind], 0)
  const copy = Buffer.from(bytes)
  copy[kind] = 1
  const { reason, offset } = await refusal(copy)
  assert.deepEqual([reason, offset], ['out_of_range', String(kind)])
})

test('whatever bytes are damaged, there is an answer or a coded error', async (t) => {
  const seed = 20
  t.diagnostic(`seed ${seed}`)
  const random = new Random(seed)
  let answered = 0
  for (let i = 0; i < 600; i++) {
    const bytes = Buffer.from(golden(FILES[i % FILES.length]))
    for (let k = 0; k < 1 + (i % 4); k++) bytes[random.below(bytes.length)] = random.below(256)
    writeFileSync(damaged, bytes)
    try {
      for (const labels of await labelsOf(damaged, ['abc defg', 'ädüä 漢字', '']))
        for (const [, probability] of labels) assert.ok(Number.isFinite(probability))
      answered++
    } catch (error) {
      assert.equal(error.code, 'ERR_FASTTEXT', `case ${i}: ${error.stack}`)
    }
  }
  assert.ok(answered > 50 && answered < 550, `${answered} answered`)
})

test('a file that is not there is said to be missing', async () => {
  await assert.rejects(runJob('openFastText', { path: join(folder, 'none.ftz') }), { code: 'ERR_NOT_FOUND' })
})
