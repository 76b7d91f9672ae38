import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { writeModelCard } from '#lib/checkpoint/model_card'
import { carryOver, writeJson, writeText } from '#lib/checkpoint/write_folder'
import { temporaryFolder } from '../helpers/folders.mjs'

const FULL = '/dev/full'

test('a full disk is told with a code, whichever small file of a model meets it', {
  skip: !existsSync(FULL) && 'this system has no full device',
}, async () => {
  const folder = temporaryFolder()
  const to = join(folder, 'to')
  mkdirSync(to)
  for (const name of ['resolved.yaml', 'report.json', 'README.md']) symlinkSync(FULL, join(to, name))
  const card = { title: 'x', summary: 'x', origins: {}, config: {} }
  for (const [name, writing] of [
    ['resolved.yaml', () => writeText(to, 'resolved.yaml', 'verb: train\n')],
    ['report.json', () => writeJson(to, 'report.json', {})],
    ['README.md', () => writeModelCard(to, card)],
  ])
    await assert.rejects(writing(), ({ code, message, hint }) => {
      assert.equal(code, 'ERR_NO_SPACE')
      assert.match(message, /: cannot be written \(the disk is full, \d+ bytes needed\)$/)
      assert.ok(message.startsWith(join(to, name)))
      assert.match(hint, /Free space/)
      return true
    })
})

test('the head of a card says the same to readers of YAML 1.1', async () => {
  const folder = temporaryFolder()
  const front = { license: 'no', language: ['no', 'de'], datasets: ['on', '1_000', 'a: b'], base_model: 'y' }
  await writeModelCard(folder, { title: 'x', summary: 'x', origins: {}, config: {}, front })
  const [, head] = readFileSync(join(folder, 'README.md'), 'utf8').split('---\n')
  const { library_name: _, tags: __, ...told } = parse(head, { version: '1.1' })
  assert.deepEqual(told, front)
})

test('a file that cannot be carried over is told with a code', async () => {
  const folder = temporaryFolder({ 'from/merges.txt': 'a b\n', 'to/merges.txt/in_the_way': '' })
  const from = { path: join(folder, 'from'), auxiliaryFiles: ['merges.txt'] }
  await assert.rejects(carryOver(from, join(folder, 'to')), ({ code, message }) => {
    assert.equal(code, 'ERR_IO')
    assert.match(message, /merges\.txt: cannot be written \(E/)
    return true
  })
})
