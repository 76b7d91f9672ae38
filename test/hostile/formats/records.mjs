// Data for training: JSON lines, lists of JSON, plain text, packed files, tables and Parquet, through `readDocuments`, which
// every verb reads by, and `listAudio` for manifests.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { listAudio } from 'tongueforge'
import { readCsvRecords } from '#lib/text/csv_records'
import { readDocuments } from '#lib/text/documents'
import { damaged } from '../making/damage.mjs'
import { parquetWith } from '../making/parquet.mjs'

const all = async (records) => {
  for await (const _ of records);
}
const read = (file, more) => (folder) => all(readDocuments({ path: `${folder}/${file}`, ...more }))

const row = (name, file, content, says = [], more = {}) => ({
  name,
  files: { [file]: content },
  call: read(file, more),
  code: 'ERR_DATA',
  file,
  says,
})
const line = (name, content, number = 1, more = { format: 'text' }) =>
  row(`JSON lines: ${name}`, 'data.jsonl', content, [`data.jsonl:${number}`], more)
const GOOD = '{"text":"hello"}\n'

const LINES = {
  'no JSON': ['hello\n'],
  'a broken record': [`${GOOD}{"text":"a\n`, 2],
  'a record cut off by the end of the file': [`${GOOD}{"text":"a`, 2],
  'a list for a record': [`${GOOD}[1]\n`, 2],
  'a text for a record': [`${GOOD}"hello"\n`, 2],
  'a number for a record': [`${GOOD}7\n`, 2],
  'null for a record': [`${GOOD}null\n`, 2],
  'NaN for a text': [`${GOOD}{"text":NaN}\n`, 2],
  'two records on a line': [`${GOOD}{"text":"a"}{"text":"b"}\n`, 2],
  'a comma behind a record': [`${GOOD}{"text":"a"},\n`, 2],
  'single quotes': [`${GOOD}{'text':'a'}\n`, 2],
  'no key of the text': [`${GOOD}{"txt":"a"}\n`, 2],
  'a text that is a number': [`${GOOD}{"text":7}\n`, 2],
  'a text that is null': [`${GOOD}{"text":null}\n`, 2],
  'a text that is a list': [`${GOOD}{"text":["a"]}\n`, 2],
  'a raw line end in a text': [`${GOOD}{"text":"a\r"}\n`, 2],
  'a NUL': [`${GOOD}\0\n`, 2],
  'bytes that are no UTF-8': [Buffer.from(`${GOOD}{"text":"\xff"}\n`, 'latin1'), 2],
  'half of a surrogate pair in UTF-8': [
    Buffer.concat([
      Buffer.from(GOOD),
      Buffer.from('{"text":"'),
      Buffer.from([0xed, 0xa0, 0x80]),
      Buffer.from('"}\n'),
    ]),
    2,
  ],
  'UTF-16': [Buffer.from(GOOD, 'utf16le'), 1],
  '100,000 open brackets': [`${GOOD}${'['.repeat(100_000)}\n`, 2],
  '100,000 open tables': [`${GOOD}${'{"a":'.repeat(100_000)}\n`, 2],
}

const TALK = { format: 'messages' }
const said = (messages) => `${JSON.stringify({ messages })}\n`
const TALKS = {
  'messages that are a text': said('hello'),
  'messages that are a table': said({ role: 'user' }),
  'no messages': said([]),
  'a message that is a text': said(['hello']),
  'a message that is null': said([null]),
  'a message without a role': said([{ content: 'a' }]),
  'a message without content': said([{ role: 'user' }]),
  'a role that is a number': said([{ role: 7, content: 'a' }]),
  'content that is a number': said([{ role: 'user', content: 7 }]),
  'content that is a list': said([{ role: 'user', content: ['a'] }]),
}

const LISTS = {
  'a list cut off': '[{"text":"a"},{"text":"b"}',
  'a list cut off in a record': '[{"text":"a"},{"text":"b',
  'a comma at the end of a list': '[{"text":"a"},\n]',
  'a comma before a list begins': '[,{"text":"a"}]',
  'a list of numbers': '[1,2,3]',
  'a list with nothing between commas': '[{"text":"a"},,{"text":"b"}]',
  'more behind a list': '[{"text":"a"}] x',
  'two lists': '[{"text":"a"}][{"text":"b"}]',
  'a list in a list': '[[{"text":"a"}]]',
  'a wrong bracket': '[{"text":"a"]]',
  'bytes that are no UTF-8': Buffer.from('[{"text":"\xff"}]', 'latin1'),
  '100,000 open brackets': '['.repeat(100_000),
}

const PACKED = {
  'no gzip': ['data.txt.gz', 'hello'],
  'an empty gzip': ['data.txt.gz', ''],
  'gzip cut off': ['data.txt.gz', gzipSync('hello '.repeat(1000)).subarray(0, 30)],
  'gzip with another sum': [
    'data.txt.gz',
    Buffer.concat([gzipSync('hello'.repeat(100)).subarray(0, -8), Buffer.alloc(8, 1)]),
  ],
  'gzip of a binary file': ['data.txt.gz', gzipSync(Buffer.alloc(1000))],
  'no zstd': ['data.txt.zst', 'hello'],
  'zstd of a header alone': ['data.txt.zst', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
  'JSON lines packed and broken': ['data.jsonl.gz', gzipSync('{"text":\n')],
  'a binary file for a text': ['data.txt', Buffer.alloc(1000)],
  'a NUL in a text': ['data.txt', 'a\0b\n'],
  'a text that is no UTF-8': ['data.txt', Buffer.from('a\n\xff\n', 'latin1')],
  'a text in UTF-16': ['data.txt', Buffer.from('\ufeffhello\n', 'utf16le')],
}

const parquet = (columnData, more = {}) => Buffer.from(parquetWriteBuffer({ columnData, ...more }))
const texts = (count) => [
  { name: 'text', data: Array.from({ length: count }, (_, i) => `text ${i}`), type: 'STRING' },
]
const golden = (name) => readFileSync(new URL(`../../golden/parquet/${name}.parquet`, import.meta.url))
const footer = (bytes) => bytes.readUInt32LE(bytes.length - 8)

const withFooter = (length) => {
  const bytes = parquet(texts(3))
  bytes.writeUInt32LE(length, bytes.length - 8)
  return bytes
}

const PARQUET = {
  'an empty file': Buffer.alloc(0),
  'the mark alone': Buffer.from('PAR1'),
  'two marks': Buffer.from('PAR1PAR1'),
  'no Parquet': Buffer.from('hello'.repeat(100)),
  'an encrypted file': Buffer.from(`PARE${'x'.repeat(100)}PARE`),
  'a footer of 0 bytes': withFooter(0),
  'a footer of 4 GB': withFooter(0xffffffff),
  'a footer longer than the file': withFooter(100_000),
  'a footer one byte short': withFooter(footer(parquet(texts(3))) - 1),
  'no column that is read': parquet([{ name: 'x', data: ['a'], type: 'STRING' }]),
  'numbers for texts': parquet([{ name: 'text', data: [1, 2], type: 'INT32' }]),
}

/** Of a file whose heads claim what is not there; the place that is named. */
const heads = (change) =>
  parquetWith({
    page: (header) => change(header, header.data_page_header_v2 ?? header.dictionary_page_header),
  })
const ofGroup = (change) => parquetWith({ group: (group) => change(group, group.columns[0].meta_data) })
const repeated = Array.from({ length: 1000 }, (_, i) => `a word ${i % 3}`)
const MOST = 2 ** 31 - 1
const BOMBS = {
  'a page that unpacks to 2 GB': [
    heads((page) => Object.assign(page, { uncompressed_page_size: MOST })),
    'bytes',
  ],
  'a page that unpacks to 1 GB, as its column says': [
    parquetWith({
      page: (page) => Object.assign(page, { uncompressed_page_size: 2 ** 30 }),
      group: ({ columns: [{ meta_data }] }) =>
        Object.assign(meta_data, { total_uncompressed_size: 2n ** 30n }),
    }),
    'unpacks',
  ],
  'a page that unpacks to -1 bytes': [
    heads((page) => Object.assign(page, { uncompressed_page_size: -1 })),
    'bytes of a page',
  ],
  'a page of 2 GB': [heads((page) => Object.assign(page, { compressed_page_size: MOST })), 'within'],
  'a page of -1 bytes': [
    heads((page) => Object.assign(page, { compressed_page_size: -1 })),
    'compressed bytes',
  ],
  'a page of 2^31 - 1 values': [
    heads((_, page) => Object.assign(page, { num_values: MOST })),
    'values of text',
  ],
  'a page of -1 values': [heads((_, page) => Object.assign(page, { num_values: -1 })), 'values of a page'],
  'a page of 2 values, for 3': [
    heads((_, page) => Object.assign(page, { num_values: 2, num_rows: 2 })),
    'its pages have 2',
  ],
  'more nulls than values': [heads((_, page) => Object.assign(page, { num_nulls: MOST })), 'nulls'],
  '-1 nulls': [heads((_, page) => Object.assign(page, { num_nulls: -1 })), 'nulls'],
  'more rows than values': [heads((_, page) => Object.assign(page, { num_rows: MOST })), 'rows'],
  'levels of 2 GB': [
    heads((_, page) => Object.assign(page, { definition_levels_byte_length: MOST })),
    'levels',
  ],
  'levels of -1 bytes': [
    heads((_, page) => Object.assign(page, { repetition_levels_byte_length: -1 })),
    'levels',
  ],
  'a dictionary of 2^31 - 1 values': [
    parquetWith({
      texts: repeated,
      page: ({ dictionary_page_header: head }) => head && Object.assign(head, { num_values: MOST }),
    }),
    'dictionary of text',
  ],
  'a group of 10^12 rows': [
    ofGroup((group) => Object.assign(group, { num_rows: 10n ** 12n })),
    'expected 1000000000000 values',
  ],
  'a group of -1 rows': [ofGroup((group) => Object.assign(group, { num_rows: -1n })), 'rows of a row group'],
  'a column of 1 TB': [
    ofGroup((_, column) => Object.assign(column, { total_compressed_size: 10n ** 12n })),
    'within',
  ],
  'a column of -1 bytes': [
    ofGroup((_, column) => Object.assign(column, { total_compressed_size: -1n })),
    'compressed bytes',
  ],
  'a column of 2^60 bytes, unpacked': [
    ofGroup((_, column) => Object.assign(column, { total_uncompressed_size: 2n ** 60n })),
    'row groups of at most',
  ],
  'a column behind the file': [
    ofGroup((_, column) => Object.assign(column, { data_page_offset: 10n ** 9n })),
    'within',
  ],
  'a column before the file': [
    ofGroup((_, column) => Object.assign(column, { data_page_offset: -4n })),
    'offset of text',
  ],
}

/** Each file is read by a thread of its own, which takes longer to start than to refuse. */
const THREAD = { cpuMs: 400 }
const [CUTS, TURNS] = process.env.TONGUEFORGE_STRESS === 'full' ? [12, 40] : [4, 6]

const parquetRow = (name, content, more) => ({
  ...row(`Parquet: ${name}`, 'data.parquet', content, [], { format: 'text', ...more }),
  limits: THREAD,
})

const TABLES = {
  'a row of three': 'path,text\na.wav,x\nb.wav,x,y\n',
  'a row of one': 'path,text\na.wav\n',
  'a quote that is never closed': 'path,text\n"a.wav,x\n',
  'a quote in the middle': 'path,text\na"b.wav,x\n',
  'text behind a quote': 'path,text\n"a.wav"x,y\n',
  'a quote that is never closed, in 5 MB': `path,text\n"${'x\n'.repeat(2_500_000)}`,
}

export const records = () => [
  ...Object.entries(LINES).map(([name, [content, number]]) => line(name, content, number)),
  ...Object.entries(TALKS).map(([name, content]) => line(name, content, 1, TALK)),
  ...Object.entries(LISTS).map(([name, content]) =>
    row(`a list of JSON: ${name}`, 'data.json', content, ['data.json:'], { format: 'text' }),
  ),
  ...Object.entries(PACKED).map(([name, [file, content]]) =>
    row(`text: ${name}`, file, content, [], { format: 'text' }),
  ),
  ...Object.entries(PARQUET).map(([name, content]) => parquetRow(name, content)),
  ...Object.entries(BOMBS).map(([name, [content, word]]) => {
    const one = parquetRow(`Parquet of heads: ${name}`, content)
    return { ...one, says: [...one.says, word] }
  }),
  ...damaged('Parquet of three texts', parquet(texts(3)), parquetRow, { cuts: CUTS, turns: TURNS }),
  ...damaged(
    'Parquet of talks, snappy',
    golden('messages_snappy'),
    (name, bytes) => parquetRow(name, bytes, TALK),
    { cuts: CUTS, turns: TURNS },
  ),
  ...damaged(
    'Parquet of talks, zstd',
    golden('messages_zstd'),
    (name, bytes) => parquetRow(name, bytes, TALK),
    { cuts: CUTS, turns: TURNS },
  ),
  ...Object.entries(TABLES).map(([name, content]) => ({
    ...row(`a table: ${name}`, 't.csv', content, ['t.csv:']),
    call: (folder) => all(readCsvRecords(`${folder}/t.csv`)),
  })),
  ...Object.entries(TABLES).map(([name, content]) => ({
    ...row(`a manifest: ${name}`, 'm.csv', content, ['m.csv']),
    code: ['ERR_DATA', 'ERR_NOT_FOUND', 'ERR_AUDIO'],
    call: (folder) => listAudio([{ path: `${folder}/m.csv` }]),
  })),
  row('an ending that nobody knows', 'data.xyz', 'hello', ['.jsonl']),
  ...good(),
]

const accepted = (name, file, content, more = {}) => ({
  name: `well-formed: ${name}`,
  files: { [file]: content },
  call: read(file, more),
  ...(file.endsWith('.parquet') && { limits: THREAD }),
})
const text = { format: 'text' }

const good = () => [
  accepted('JSON lines', 'data.jsonl', GOOD, text),
  accepted('JSON lines of Windows', 'data.jsonl', GOOD.replace('\n', '\r\n').repeat(3), text),
  accepted('JSON lines with a mark', 'data.jsonl', `\ufeff${GOOD}`, text),
  accepted('JSON lines with empty ones', 'data.jsonl', `\n\n${GOOD}\n`, text),
  accepted('JSON lines without an end', 'data.jsonl', GOOD.trim(), text),
  accepted('a record with a key __proto__', 'data.jsonl', '{"text":"a","__proto__":{"text":"b"}}\n', text),
  accepted('a record with a key twice', 'data.jsonl', '{"text":"a","text":"b"}\n', text),
  accepted('a record of a megabyte', 'data.jsonl', `{"text":"${'a'.repeat(2 ** 20)}"}\n`, text),
  accepted(
    'a record with deep values nobody reads',
    'data.jsonl',
    `{"text":"a","x":${'['.repeat(500)}${']'.repeat(500)}}\n`,
    text,
  ),
  accepted('an empty text', 'data.jsonl', '{"text":""}\n', text),
  accepted('a text of half a surrogate pair', 'data.jsonl', '{"text":"\\ud800"}\n', text),
  accepted('a list of JSON', 'data.json', '[{"text":"a"},\n {"text":"b"}]\n', text),
  accepted('a list with brackets in texts', 'data.json', '[{"text":"a]}\\"["}]', text),
  accepted('a table, as one record', 'data.json', '{"text":"a"}', text),
  accepted('plain text', 'data.txt', 'a\n\nb\n'),
  accepted('plain text of Windows', 'data.txt', 'a\r\n\r\nb\r\n'),
  accepted('an empty text file', 'data.txt', ''),
  accepted('packed text', 'data.txt.gz', gzipSync('hello\n')),
  accepted('packed text in two parts', 'data.txt.gz', Buffer.concat([gzipSync('a\n'), gzipSync('b\n')])),
  accepted(
    'messages',
    'data.jsonl',
    said([
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
    ]),
    TALK,
  ),
  accepted('Parquet', 'data.parquet', parquet(texts(3)), text),
  accepted('Parquet put together page by page', 'data.parquet', parquetWith({}), text),
  accepted('Parquet of a dictionary, page by page', 'data.parquet', parquetWith({ texts: repeated }), text),
  accepted(
    'Parquet of 3,000 texts that are one',
    'data.parquet',
    parquet([{ name: 'text', data: Array(3000).fill('a'), type: 'STRING' }]),
    text,
  ),
  accepted('Parquet of no rows', 'data.parquet', parquet(texts(0)), text),
  ...['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'].map((codec) =>
    accepted(`Parquet of pyarrow, ${codec}`, 'data.parquet', golden(`messages_${codec}`), TALK),
  ),
]
