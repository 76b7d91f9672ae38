// One bit of a delta that has changed: found before anything is made of it, wherever in the file it lies. Deltas of the
// time before the checksums are read as they were.
import assert from 'node:assert/strict'
import {
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { applyDelta, extractDelta, inspectDelta, loadModel } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { random, report, rounds, seed } from '../helpers/stress.mjs'
import { writeDescendant, writeTinyModel } from '../helpers/tiny_model.mjs'

const FORMATS = ['dense', 'topk', 'lowrank', 'int8', 'int4']
const weightsOf = (folder) => readFileSync(join(folder, 'model.safetensors'))
const REFUSAL = { code: /^ERR_(SAFETENSORS|DELTA)$/, message: /delta\.safetensors/, hint: /./ }

/** Changes a bit of a file in its place. */
function flip(path, bit) {
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, bit >> 3)
  byte[0] ^= 1 << (bit & 7)
  writeSync(file, byte, 0, 1, bit >> 3)
  closeSync(file)
}

const dataBegin = (bytes) => 8 + Number(bytes.readBigUInt64LE(0))

/** Makes a file of version 1 of one of version 2: the same tensors without the checksums behind them. */
function withoutSums(path) {
  const bytes = readFileSync(path)
  const {
    ':crc32': sums,
    __metadata__: metadata,
    ...tensors
  } = JSON.parse(bytes.toString('utf8', 8, dataBegin(bytes)))
  assert.equal(metadata.version, '2')
  const header = JSON.stringify({ __metadata__: { ...metadata, version: '1' }, ...tensors })
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  const data = bytes.subarray(dataBegin(bytes), dataBegin(bytes) + sums.data_offsets[0])
  writeFileSync(path, Buffer.concat([length, Buffer.from(header), data]))
}

describe('a damaged delta', () => {
  const root = temporaryFolder()
  const [base, chat, target] = ['base', 'chat', 'target'].map((name) => join(root, name))
  const out = join(root, 'out')
  const deltas = {}
  let expected

  before(async () => {
    await writeTinyModel(base, { seed: 1 })
    await writeDescendant(base, chat, { seed: 2, size: 0.1 })
    await writeDescendant(base, target, { seed: 3, size: 0.4 })
    for (const format of FORMATS) {
      const settings = format === 'lowrank' ? { rank: 4 } : {}
      deltas[format] = (await extractDelta({ base, chat, out: join(root, format), format, ...settings })).out
    }
    expected = (await applyDelta({ target, delta: deltas.dense, out: join(root, 'whole') })).out
  })

  test('a flipped bit anywhere in its file is found, and nothing is written', async (t) => {
    const draw = random(seed)
    const count = rounds({ quick: 60, full: 1000 })
    for (let i = 0; i < count; i++) {
      const format = FORMATS[i % FORMATS.length]
      const file = join(deltas[format], 'delta.safetensors')
      const bytes = readFileSync(file)
      // The header is small beside the data: a third of the bits are its own.
      const bit = Math.floor(draw() * 8 * (i % 3 === 0 ? dataBegin(bytes) : bytes.length))
      flip(file, bit)
      const what = `${format}: bit ${bit} of ${8 * bytes.length}, seed ${seed}`
      const error = await applyDelta({ target, delta: deltas[format], out }).catch((thrown) => thrown)
      assert.match(`${error.code}`, REFUSAL.code, what)
      assert.match(error.message, REFUSAL.message, what)
      assert.match(error.hint, REFUSAL.hint, what)
      assert.ok(!existsSync(out), what)
      flip(file, bit)
    }
    const { out: whole } = await applyDelta({ target, delta: deltas.dense, out })
    assert.ok(weightsOf(whole).equals(weightsOf(expected)))
    report(t, `${count} bits in files of ${FORMATS.length} formats, each found`)
  })

  test('a model in memory stays as it was', async () => {
    const copy = join(root, 'copy')
    cpSync(deltas.topk, copy, { recursive: true })
    const file = join(copy, 'delta.safetensors')
    flip(file, 8 * (dataBegin(readFileSync(file)) + 77))
    const model = await loadModel(target)
    const scores = await model.score('der Hund schläft')
    await assert.rejects(model.graft(copy), {
      code: 'ERR_SAFETENSORS',
      message: /bytes \d+ to \d+ are not those/,
    })
    assert.deepEqual(await model.score('der Hund schläft'), scores)
    await model.dispose()
  })

  for (const format of FORMATS)
    test(`${format}: a file of version 1, without checksums, is read as before`, async () => {
      const [old, first, second] = ['old', 'first', 'second'].map((name) => join(root, `${format}-${name}`))
      cpSync(deltas[format], old, { recursive: true })
      withoutSums(join(old, 'delta.safetensors'))
      await applyDelta({ target, delta: deltas[format], out: first })
      await applyDelta({ target, delta: old, out: second })
      assert.ok(weightsOf(first).equals(weightsOf(second)))
      const [{ tensors }, { tensors: others }] = [await inspectDelta(old), await inspectDelta(deltas[format])]
      assert.deepEqual(tensors, others)
    })
})
