import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { readDocuments, resolveSource } from '#lib/text/documents'
import { readParquetRecords } from '#lib/text/parquet_records'
import { temporaryFolder } from '../helpers/folders.mjs'

const folder = temporaryFolder()
const golden = (name) => fileURLToPath(new URL(`../golden/parquet/${name}`, import.meta.url))

async function all(source, options) {
  const items = []
  for await (const item of readDocuments(source, options)) items.push(item)
  return items
}

/** Writes a file with one column of texts, in groups of so many rows. */
function write(name, texts, rowGroupSize) {
  const path = join(folder, name)
  const columnData = [{ name: 'text', data: texts, type: 'STRING' }]
  writeFileSync(path, Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize })))
  return path
}

test('rows come in order over all row groups, with their number', async () => {
  const texts = Array.from({ length: 2500 }, (_, i) => `Text ${i} äöü 你好 ${'x'.repeat(i % 50)}`)
  const path = write('many.parquet', texts, 700)
  assert.deepEqual((await resolveSource({ path })).files[0].format, 'text')
  const documents = await all({ path })
  assert.deepEqual(
    documents.map(({ text }) => text),
    texts,
  )
  assert.deepEqual(
    documents.map(({ line }) => line),
    texts.map((_, i) => i + 1),
  )
})

test('a text keeps a U+FEFF that it begins with', async () => {
  const texts = ['\ufeffa', 'b\ufeff', '\ufeff\ufeffc']
  const documents = await all({ path: write('marks.parquet', texts) })
  assert.deepEqual(
    documents.map(({ text }) => text),
    texts,
  )
})

/** A file of columns of texts in which each § is a byte that is no UTF-8. */
function writeBroken(name, columns, type = 'STRING') {
  const columnData = Object.entries(columns).map(([column, data]) => ({ name: column, data, type }))
  const bytes = Buffer.from(
    parquetWriteBuffer({ columnData, codec: 'UNCOMPRESSED', rowGroupSize: 3, statistics: false }),
  )
  for (let at = bytes.indexOf('§'); at >= 0; at = bytes.indexOf('§')) bytes.set([0x41, 0xe9], at)
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}

test('text that is not UTF-8 is refused with its row and column, or left out and counted, from dictionaries too', async () => {
  const texts = ['one', 'b§d', 'three', 'b§d', 'b§d', 'six', 'seven']
  for (const type of ['STRING', 'JSON', undefined]) {
    const path = writeBroken(`broken_${type}.parquet`, { text: texts }, type)
    await assert.rejects(all({ path, field: 'text' }), {
      code: 'ERR_DATA',
      message: /broken_\w+\.parquet:2: expected UTF-8 text in the column text, received bytes that are not/,
      hint: /iconv/,
    })
    const told = []
    const found = await all(
      { path },
      { onInvalid: ({ message }) => told.push(message.match(/parquet:(\d+)/)[1]) },
    )
    assert.deepEqual(
      found.map(({ text, line }) => [text, line]),
      [
        ['one', 1],
        ['three', 3],
        ['six', 6],
        ['seven', 7],
      ],
    )
    assert.deepEqual(told, ['2', '4', '5'])
  }
})

test('of a file that is read whole, bytes that nothing calls a text may be anything', async () => {
  const columns = { image: ['§§', 'x', 'y'], text: ['a', 'b', 'c'] }
  const columnsOf = async (path, wanted) => {
    const records = []
    for await (const { record } of readParquetRecords(path, wanted)) records.push({ ...record })
    return records
  }
  const path = writeBroken('image.parquet', columns, 'BYTE_ARRAY')
  assert.deepEqual(
    (await columnsOf(path, [])).map(({ text }) => text),
    ['a', 'b', 'c'],
  )
  await assert.rejects(columnsOf(path, ['image']), {
    message: /image\.parquet:1: expected UTF-8 text in the column image/,
  })
  const said = writeBroken('said.parquet', columns)
  await assert.rejects(columnsOf(said, []), {
    message: /said\.parquet:1: expected UTF-8 text in the column image/,
  })
})

test('nested columns written by pyarrow are conversations and preferences, whatever the compression', async () => {
  const talk = (i) => [
    { role: 'user', content: `question ${i} 早安` },
    { role: 'assistant', content: `answer ${i}` },
  ]
  for (const compression of ['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4']) {
    const path = golden(`messages_${compression}.parquet`)
    assert.equal((await resolveSource({ path })).files[0].format, 'messages')
    const documents = await all({ path })
    assert.deepEqual(
      documents.map(({ messages }) => messages),
      Array.from({ length: 10 }, (_, i) => talk(i)),
      compression,
    )
  }
  const [preference] = await all({ path: golden('preference.parquet') })
  assert.deepEqual(preference.prompt, [{ role: 'user', content: 'question' }])
  assert.deepEqual(preference.chosen, [{ role: 'assistant', content: 'good' }])
  assert.deepEqual(preference.rejected, [{ role: 'assistant', content: 'bad' }])
  const [shared] = await all({ path: golden('sharegpt.parquet') })
  assert.deepEqual(shared.messages.at(-1), { role: 'assistant', content: 'answer' })
})

test('an empty text is left out, and a missing one names file and row', async () => {
  const path = golden('nulls.parquet')
  await assert.rejects(all({ path, format: 'text' }), {
    code: 'ERR_DATA',
    message: /nulls\.parquet:2: expected text under "text"/,
  })
  const told = []
  const documents = await all({ path, format: 'text' }, { onInvalid: ({ message }) => told.push(message) })
  assert.deepEqual(
    documents.map(({ text, line }) => [text, line]),
    [
      ['one', 1],
      ['four', 4],
    ],
  )
  assert.equal(told.length, 1)
})

test('a file that is cut off, damaged or no Parquet at all is an error that names it', async () => {
  const bytes = Buffer.from(
    parquetWriteBuffer({ columnData: [{ name: 'text', data: ['a', 'b'], type: 'STRING' }] }),
  )
  const damaged = Buffer.from(bytes)
  damaged.fill(0xff, 4, bytes.length - 12)
  const cases = {
    empty: '',
    tiny: 'PAR1',
    text: 'hello world, this is text',
    cut: bytes.subarray(0, -9),
    damaged,
  }
  for (const [name, content] of Object.entries(cases)) {
    const path = join(folder, `${name}.parquet`)
    writeFileSync(path, content)
    await assert.rejects(all({ path, format: 'text' }), {
      code: 'ERR_DATA',
      message: new RegExp(`${name}\\.parquet: cannot be read as Parquet`),
    })
  }
})

test('a column that is not there is told with those that are', async () => {
  await assert.rejects(
    all({ path: golden('nulls.parquet'), field: 'body' }),
    /expected a column of body, found text/,
  )
})

test('decoding holds up no other work, and stops when it is told to', async () => {
  const path = write(
    'large.parquet',
    Array.from({ length: 60_000 }, (_, i) => `row ${i} ${'word '.repeat(40)}`),
    60_000,
  )
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const stop = new AbortController()
  const reason = new Error('enough')
  let count = 0
  await assert.rejects(async () => {
    for await (const _ of readDocuments({ path, format: 'text' }, { signal: stop.signal }))
      if (++count === 30_000) stop.abort(reason)
  }, reason)
  delay.disable()
  assert.ok(count < 31_000)
  assert.ok(delay.percentile(50) < 20e6, `${delay.percentile(50) / 1e6} ms`)
})
