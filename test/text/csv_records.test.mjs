import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { readCsvRecords } from '#lib/text/csv_records'
import { temporaryFolder } from '../helpers/folders.mjs'

async function recordsOf(content, options, name = 'a.csv') {
  const file = join(temporaryFolder(), name)
  writeFileSync(file, content)
  const all = []
  for await (const { record, line } of readCsvRecords(file, options)) all.push({ ...record, line })
  return all
}

const columns = ['q', 'a']

test('the first row names the columns, unless they are named; then a first row with the same names is a head too', async () => {
  const expected = [{ q: 'x,"y"\nz', a: '1', line: 3 }]
  const row = '"x,""y""\nz",1\r\n'
  assert.deepEqual(await recordsOf(`q,a\r\n${row}`), expected)
  assert.deepEqual(await recordsOf(`\uFEFFQ, A\r\n${row}`, { columns }), expected)
  assert.deepEqual(await recordsOf(row, { columns }), [{ ...expected[0], line: 2 }])
  assert.deepEqual(await recordsOf(gzipSync(`q,a\r\n${row}`), {}, 'a.csv.gz'), expected)
  assert.deepEqual(await recordsOf(''), [])
})

test('a row of another width and a quote that stays open are told by line', async () => {
  await assert.rejects(recordsOf('q,a\n1,2\n1,2,3\n'), { code: 'ERR_DATA', message: /a\.csv:3: expected/ })
  await assert.rejects(recordsOf('q,a\n1,"2\n'), {
    code: 'ERR_DATA',
    message: /a\.csv:\d: expected rows of a table/,
  })
  await assert.rejects(recordsOf('1\n', { columns }), {
    code: 'ERR_DATA',
    message: /:1: expected 2 columns, received 1/,
  })
})

test('a column of any name is only a column', async () => {
  const [record] = await recordsOf('__proto__,a\nx,1\n')
  assert.equal(record.a, '1')
  assert.equal({}.x, undefined)
})
