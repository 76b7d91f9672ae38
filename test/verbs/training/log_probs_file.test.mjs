import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readLogProbs, writeLogProbs } from '#lib/verbs/training/log_probs_file'
import { workPath } from '#lib/work_paths'
import { temporaryFolder } from '../../helpers/folders.mjs'

const said = { sums: Float64Array.of(-1.5, -0.25, 0), counts: Float64Array.of(3, 1, 0) }

test('numbers come back bit for bit, under their key alone', async () => {
  const file = join(temporaryFolder(), 'deeper', 'x.bin')
  const many = { sums: new Float64Array(700_000).fill(-0.1), counts: new Float64Array(700_000).fill(2) }
  for (const numbers of [said, { ...said, rows: 7 }, many]) {
    await writeLogProbs(file, 'key', numbers)
    assert.deepEqual(await readLogProbs(file, 'key'), numbers)
    assert.equal(await readLogProbs(file, 'another'), undefined)
  }
})

test('what a killed process had begun is removed by the next one that writes there', async () => {
  const folder = temporaryFolder()
  const dead = (await workPath(folder)).replace(`-${process.pid}-`, '-4194304-')
  writeFileSync(dead, 'half of it')
  await writeLogProbs(join(folder, 'x.bin'), 'key', said)
  assert.deepEqual(readdirSync(folder), ['x.bin'])
})

test('what cannot be written is told with a code, and nothing half written stays', async () => {
  const folder = temporaryFolder({ 'x.bin/in_the_way': '', blocked: '' })
  const files = readdirSync(folder)
  for (const [file, told] of [
    [join(folder, 'x.bin'), join(folder, 'x.bin')],
    [join(folder, 'blocked', 'x.bin'), join(folder, 'blocked')],
  ])
    await assert.rejects(writeLogProbs(file, 'key', said), ({ code, message, hint }) => {
      assert.equal(code, 'ERR_IO')
      assert.ok(message.startsWith(`${told}: cannot be written (E`), message)
      assert.match(hint, /permissions/)
      return true
    })
  assert.deepEqual(readdirSync(folder), files)
})
