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

test('a row that is not UTF-8 is told by line, whatever lies around it; UTF-16 is read by its mark', async () => {
  const latin = (text) => Buffer.from(text, 'latin1')
  const expected = {
    code: 'ERR_DATA',
    message: /a\.csv:3: expected UTF-8 text, received bytes that are not/,
    hint: /iconv/,
  }
  await assert.rejects(recordsOf(Buffer.concat([Buffer.from('q,a\nä,你\n'), latin('caf\xe9,2\n')])), expected)
  await assert.rejects(recordsOf(latin('q,a\n1,2\n"caf\xe9",2\n')), expected)
  await assert.rejects(recordsOf(latin('q\xe9,a\n')), {
    code: 'ERR_DATA',
    message: /a\.csv:1: expected UTF-8/,
  })
  await assert.rejects(recordsOf('q,a\n你,"早"安\n'), {
    message: /a\.csv:2: expected rows of a table: [^ä]*$/,
  })
  const table = 'q,a\n"x, 你",ö\n😀,\n'
  const rows = [
    { q: 'x, 你', a: 'ö', line: 2 },
    { q: '😀', a: '', line: 3 },
  ]
  assert.deepEqual(await recordsOf(table), rows)
  assert.deepEqual(await recordsOf(`\uFEFF${table}`), rows)
  const wide = Buffer.from(`\uFEFF${table}`, 'utf16le')
  assert.deepEqual(await recordsOf(wide), rows)
  await assert.rejects(recordsOf(wide.subarray(0, -1)), {
    code: 'ERR_DATA',
    message: /a\.csv: expected UTF-16 text/,
  })
  assert.deepEqual(await recordsOf('a', { columns: ['q'] }), [{ q: 'a', line: 1 }])
})

test('text is the same wherever the pieces of a file are cut', async () => {
  const filler = `${'x'.repeat(250)},y\n`.repeat(1040) // more than a piece of the file
  for (let before = 0; before < 6; before++) {
    const found = await recordsOf(`q,a\n${filler}${'z'.repeat(before)},${'你好😀ä'.repeat(6000)}\n`)
    assert.equal(found.at(-1).a, '你好😀ä'.repeat(6000))
    assert.equal(found.length, 1041)
  }
})

test('a column of any name is only a column', async () => {
  const [record] = await recordsOf('__proto__,a\nx,1\n')
  assert.equal(record.a, '1')
  assert.equal({}.x, undefined)
})
