// Weight files, through `inspect` of a model folder: the native reader behind loading, merging and all the rest.
import { inspect } from 'tongueforge'
import { config, modelFiles } from '../making/model.mjs'
import { randomOf } from '../making/random.mjs'
import { DTYPES, safetensors, tensorsFile } from '../making/safetensors.mjs'

const look = (folder) => inspect(`${folder}/model`, { scan: true })

const row = (name, bytes, says = []) => ({
  name,
  files: modelFiles({ 'model.safetensors': bytes }),
  call: look,
  code: 'ERR_SAFETENSORS',
  file: 'model.safetensors, byte ',
  says,
})

/** The text of an entry; values as they are to stand there. */
const entry = (dtype = '"F32"', shape = '[2]', offsets = '[0,8]') =>
  `{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}`
const GOOD = `{"a":${entry()}}`
const file = (header, data = 8, length) => safetensors(header, data, length)
const one = (dtype, shape, offsets, data = 8) => file(`{"a":${entry(dtype, shape, offsets)}}`, data)
const named = (name) => file(`{"${name}":${entry()}}`)

/** Files that are wrong before or around their header. */
const FRAMES = {
  'an empty file': Buffer.alloc(0),
  'one byte': Buffer.from([2]),
  'seven bytes': Buffer.alloc(7, 2),
  'eight bytes and no header': Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]),
  'a header of no bytes': file('', 0),
  'a header of 2^64 - 1 bytes': file(GOOD, 8, 2n ** 64n - 1n),
  'a header of 2^64 - 8 bytes, which wraps': file(GOOD, 8, 2n ** 64n - 8n),
  'a header of 2^63 bytes': file(GOOD, 8, 2n ** 63n),
  'a header of 100,000,001 bytes': file(GOOD, 8, 100_000_001n),
  'a header of 100,000,000 bytes that are not there': file(GOOD, 8, 100_000_000n),
  'a header one byte longer than the file': file(GOOD, 0, BigInt(GOOD.length + 1)),
  'a header one byte too short': file(GOOD, 8, BigInt(GOOD.length - 1)),
  'a big-endian length': Buffer.concat([
    Buffer.from([0, 0, 0, 0, 0, 0, 0, GOOD.length]),
    Buffer.from(GOOD),
    Buffer.alloc(8),
  ]),
  'a byte order mark': file(`\ufeff${GOOD}`),
  'UTF-16 with a mark': file(Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(GOOD, 'utf16le')])),
  'UTF-16 without a mark': file(Buffer.from(GOOD, 'utf16le')),
  'NUL behind the header': file(`${GOOD}\0\0\0`),
  'two documents': file(`${GOOD}{}`),
  'a list': file('[]', 0),
  null: file('null', 0),
  'a number': file('1', 0),
  'a text': file('"x"', 0),
  'text that is no JSON': file('tensor', 0),
  'an open brace': file('{', 0),
  'a comment': file(`{/*x*/"a":${entry()}}`),
  'a comma at the end': file(`{"a":${entry()},}`),
  'single quotes': file(GOOD.replaceAll('"', "'")),
  'no quotes': file(GOOD.replaceAll('"', '')),
  'no colon': file(GOOD.replace(':', ' ')),
  'a pickle': Buffer.from('80027d71002e'.padEnd(64, '0'), 'hex'),
  'a zip': Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(60)]),
  HTML: Buffer.from('<!DOCTYPE html><html><body>404</body></html>'.padEnd(100)),
  'a pointer of Git LFS': Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'),
  'one byte behind the data': file(GOOD, 9),
  'a megabyte behind the data': file(GOOD, 8 + 2 ** 20),
  'a zip behind the data': file(
    GOOD,
    Buffer.concat([Buffer.alloc(8), Buffer.from('PK\x05\x06'.padEnd(22, '\0'))]),
  ),
  'data one byte short': file(GOOD, 7),
  'no data': file(GOOD, 0),
  '100,000 open brackets': file('{"a":'.concat('['.repeat(100_000)), 0),
  '100,000 open tables': file('{"a":'.repeat(100_000), 0),
  'a megabyte of blanks and no header': file(' '.repeat(2 ** 20), 0),
}

/** Entries, as [dtype, shape, offsets, bytes of data]. */
const ENTRIES = {
  'an unknown dtype': ['"F33"'],
  'a dtype in lower case': ['"f32"'],
  C128: ['"C128"', '[2]', '[0,32]', 32],
  'an empty dtype': ['""'],
  'a dtype with a blank': ['"F32 "'],
  'a dtype as a number': ['7'],
  'a dtype as null': ['null'],
  'a dtype as a list': ['["F32"]'],
  'a shape as a number': ['"F32"', '2'],
  'a shape as a text': ['"F32"', '"2"'],
  'a shape as null': ['"F32"', 'null'],
  'a shape as a table': ['"F32"', '{"0":2}'],
  'a dimension of -2': ['"F32"', '[-2]'],
  'a dimension of -0': ['"F32"', '[-0]'],
  'a dimension of 2.0': ['"F32"', '[2.0]'],
  'a dimension of 2e0': ['"F32"', '[2e0]'],
  'a dimension of 02': ['"F32"', '[02]'],
  'a dimension of 0x2': ['"F32"', '[0x2]'],
  'a dimension of NaN': ['"F32"', '[NaN]'],
  'a dimension of Infinity': ['"F32"', '[Infinity]'],
  'a dimension as a text': ['"F32"', '["2"]'],
  'a dimension of null': ['"F32"', '[null]'],
  'a dimension of true': ['"F32"', '[true]'],
  'a dimension in a list': ['"F32"', '[[2]]'],
  'a dimension of 2^53 + 1': ['"F32"', '[9007199254740993]'],
  'a dimension of 2^63': ['"F32"', '[9223372036854775808]'],
  'a dimension of 2^64': ['"F32"', '[18446744073709551616]'],
  'a dimension of 400 digits': ['"F32"', `[${'9'.repeat(400)}]`],
  'a product of 2^64, which wraps to 0': ['"F32"', '[4294967296,4294967296]', '[0,0]', 0],
  'a product that wraps to its size': ['"F32"', '[2,9223372036854775809]'],
  '0 before 2^63': ['"F32"', '[0,9223372036854775808,4]', '[0,0]', 0],
  '0 behind 2^63': ['"F32"', '[9223372036854775808,4,0]', '[0,0]', 0],
  '0 before an overflow': ['"F32"', '[0,4611686018427387904,4]', '[0,0]', 0],
  'a rank of 65': ['"F32"', `[2${',1'.repeat(64)}]`],
  'a rank of 100,000': ['"F32"', `[2${',1'.repeat(99_999)}]`],
  'four bits an odd number of times': ['"F4"', '[3]', '[0,2]', 2],
  'six bits that fill no bytes': ['"F6_E2M3"', '[3]', '[0,3]', 3],
  'one offset': ['"F32"', '[2]', '[8]'],
  'three offsets': ['"F32"', '[2]', '[0,8,8]'],
  'no offsets in the list': ['"F32"', '[2]', '[]'],
  'offsets as a table': ['"F32"', '[2]', '{"begin":0,"end":8}'],
  'offsets as null': ['"F32"', '[2]', 'null'],
  'offsets in reverse': ['"F32"', '[2]', '[8,0]'],
  'a negative offset': ['"F32"', '[2]', '[-8,0]'],
  'an offset as a text': ['"F32"', '[2]', '["0","8"]'],
  'an offset of 0.5': ['"F32"', '[2]', '[0.5,8.5]'],
  'an offset of 2^64': ['"F32"', '[2]', '[0,18446744073709551616]'],
  'offsets near 2^64': ['"F32"', '[2]', '[18446744073709551607,18446744073709551615]'],
  'data that begin at 8': ['"F32"', '[2]', '[8,16]', 16],
  'data that end past the file': ['"F32"', '[4]', '[0,16]', 8],
  'a size that is not its shape': ['"F32"', '[3]'],
  'a size that is not its dtype': ['"F64"', '[2]'],
  'a size of one for a scalar': ['"F32"', '[]', '[0,8]'],
  'a size for nothing': ['"F32"', '[0]', '[0,8]'],
}

/** Names, as they stand between quotes. */
const NAMES = {
  'an empty name': '',
  'a NUL in a name': 'a\\u0000b',
  'a line end in a name': 'a\\nb',
  'a raw line end in a name': 'a\nb',
  'an escape sequence in a name': 'a\\u001b[2J',
  'a delete in a name': 'a\\u007f',
  'a name that climbs': '../../etc/passwd',
  'a name that climbs in the middle': 'a/../../b',
  'a name that climbs with backslashes': '..\\\\..\\\\b',
  'a name from the root': '/etc/passwd',
  'a name that is ..': '..',
  'half of a surrogate pair': 'a\\ud800',
  'the other half': '\\udc00a',
  'an escape of nothing': 'a\\x',
  'an escape of three digits': 'a\\u00g0',
}

const two = (a, b, data) => file(`{"a":${entry('"F32"', '[2]', a)},"b":${entry('"F32"', '[2]', b)}}`, data)

/** Headers that contradict themselves. */
const HEADERS = {
  'a name twice': file(`{"a":${entry()},"a":${entry()}}`),
  'a name twice with another shape': file(`{"a":${entry()},"a":${entry('"F32"', '[1,2]')}}`),
  'a name twice through an escape': file(`{"a":${entry()},"\\u0061":${entry('"F32"', '[2]', '[8,16]')}}`, 16),
  'metadata twice': file(`{"__metadata__":{},"__metadata__":{},"a":${entry()}}`),
  'metadata twice through an escape': file(`{"__metadata__":{},"__met\\u0061data__":{},"a":${entry()}}`),
  'a key of metadata twice': file(`{"__metadata__":{"k":"1","k":"2"},"a":${entry()}}`),
  'a number in metadata': file(`{"__metadata__":{"k":1},"a":${entry()}}`),
  'a table in metadata': file(`{"__metadata__":{"k":{}},"a":${entry()}}`),
  'null in metadata': file(`{"__metadata__":{"k":null},"a":${entry()}}`),
  'metadata as a list': file(`{"__metadata__":[],"a":${entry()}}`),
  'metadata as a text': file(`{"__metadata__":"pt","a":${entry()}}`),
  'an entry as a list': file('{"a":["F32",[2],[0,8]]}'),
  'an entry as null': file('{"a":null}'),
  'an entry as a text': file('{"a":"F32"}'),
  'an empty entry': file('{"a":{}}'),
  'an entry without dtype': file('{"a":{"shape":[2],"data_offsets":[0,8]}}'),
  'an entry without shape': file('{"a":{"dtype":"F32","data_offsets":[0,8]}}'),
  'an entry without offsets': file('{"a":{"dtype":"F32","shape":[2]}}'),
  'an entry with a key of its own': file(`{"a":${entry('"F32","strides":[1]')}}`),
  'a dtype twice': file(`{"a":${entry('"F32","dtype":"F32"')}}`),
  'a shape twice': file(`{"a":${entry('"F32"', '[2],"shape":[2]')}}`),
  'offsets twice': file(`{"a":${entry('"F32"', '[2]', '[0,8],"data_offsets":[0,8]')}}`),
  'a hole of four bytes': two('[0,8]', '[12,20]', 20),
  'an overlap of four bytes': two('[0,8]', '[4,12]', 12),
  'a range twice': two('[0,8]', '[0,8]', 8),
  'a tensor within another': file(
    `{"a":${entry('"F32"', '[4]', '[0,16]')},"b":${entry('"F32"', '[2]', '[4,12]')}}`,
    16,
  ),
  'nothing within a range': file(`{"a":${entry()},"b":${entry('"F32"', '[0]', '[4,4]')}}`),
  'nothing past the end': file(`{"a":${entry()},"b":${entry('"F32"', '[0]', '[16,16]')}}`),
}

/** Single bytes of a good header that become others: those that still parse to the same are left to the valid ones. */
function mutations() {
  const rows = []
  for (let i = 0; i < 60; i++) {
    const random = randomOf(`safetensors ${i}`)
    const text = Buffer.from(GOOD)
    const at = random.below(text.length)
    const before = text[at]
    do text[at] = random.pick([0, 9, 34, 44, 58, 91, 92, 93, 123, 125, 127, 128, 255, 45])
    while (text[at] === before || (text[at] === 9 && !inString(GOOD, at)))
    // A byte within the name may well be another name.
    if (at === 2) text[at] = 0
    rows.push(row(`byte ${at} of the header is ${text[at]} (${i})`, file(text)))
  }
  return rows
}

const inString = (text, at) => (text.slice(0, at).split('"').length - 1) % 2 === 1

/** A file of zeros that takes no disk, and no memory where a reader looks before it allocates. */
const GIGABYTES = {
  'a header of 50 MB of blanks': (folder) => sparse(folder, 50_000_000n, 50_000_008),
  'a header of 100 MB that is a hole': (folder) => sparse(folder, 100_000_000n, 100_000_008),
}
async function sparse(folder, length, size) {
  const { truncateSync, writeFileSync } = await import('node:fs')
  const head = Buffer.alloc(8)
  head.writeBigUInt64LE(length)
  writeFileSync(`${folder}/model/model.safetensors`, head)
  truncateSync(`${folder}/model/model.safetensors`, size)
}

export const safetensorsFiles = () => [
  ...Object.entries(FRAMES).map(([name, bytes]) => row(name, bytes)),
  ...Object.entries(ENTRIES).map(([name, [dtype, shape, offsets, data]]) =>
    row(name, one(dtype, shape, offsets, data), ['"a"']),
  ),
  ...Object.entries(NAMES).map(([name, text]) => row(name, named(text))),
  ...Object.entries(HEADERS).map(([name, bytes]) => row(name, bytes)),
  ...mutations(),
  ...Object.entries(GIGABYTES).map(([name, prepare]) => ({
    ...row(name, GOOD),
    // A header may have 100 MB: it is read before it can be judged.
    limits: { rssBytes: 200 * 2 ** 20, cpuMs: 500 },
    prepare,
  })),
  ...good(),
]

const accepted = (name, bytes) => ({
  name: `well-formed: ${name}`,
  files: modelFiles({ 'model.safetensors': bytes }),
  call: look,
})

function good() {
  const nan = Buffer.from([0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0xff])
  return [
    ...Object.entries(DTYPES).flatMap(([dtype, bits]) => [
      accepted(`${dtype}, eight of them`, tensorsFile({ a: { dtype, shape: [8] } })),
      accepted(`${dtype}, none of them`, tensorsFile({ a: { dtype, shape: [0, 4] } })),
      accepted(`${dtype}, in three dimensions`, tensorsFile({ a: { dtype, shape: [2, 1, 4] } })),
      ...(bits >= 8 ? [accepted(`${dtype}, a scalar`, tensorsFile({ a: { dtype, shape: [] } }))] : []),
      ...(bits >= 8
        ? [
            accepted(
              `${dtype}, any bits`,
              tensorsFile({ a: { dtype, shape: [64], data: bitsOf(dtype, bits) } }),
            ),
          ]
        : []),
    ]),
    ...Array.from({ length: 17 }, (_, i) =>
      accepted(`${i} blanks behind the header`, file(GOOD + ' '.repeat(i))),
    ),
    accepted('blanks before the header', file(`  ${GOOD}`)),
    accepted(
      'tabs and line ends in the header',
      file(GOOD.replaceAll(':', ' :\n\t').replaceAll(',', '\r\n,')),
    ),
    accepted('no tensors', file('{}', 0)),
    accepted('metadata alone', file('{"__metadata__":{"format":"pt"}}', 0)),
    accepted('metadata that are null', file(`{"__metadata__":null,"a":${entry()}}`)),
    accepted('empty metadata', file(`{"__metadata__":{},"a":${entry()}}`)),
    accepted('metadata of 1 MB', file(`{"__metadata__":{"k":"${'v'.repeat(2 ** 20)}"},"a":${entry()}}`)),
    accepted('metadata in other scripts', file(`{"__metadata__":{"名":"值😀"},"a":${entry()}}`)),
    accepted(
      'keys of an entry in another order',
      file('{"a":{"data_offsets":[0,8],"shape":[2],"dtype":"F32"}}'),
    ),
    accepted('names in another order than data', two('[8,16]', '[0,8]', 16)),
    accepted('a name in another script', named('層.0.重み')),
    accepted('a name with an escape', named('\\u0061\\u00e4')),
    accepted('a name of a pair of surrogates', named('\\ud83d\\ude00')),
    accepted('a name with dots and slashes', named('a/b.c/d')),
    accepted('a name of 1,000 characters', named('a'.repeat(1000))),
    accepted('a name that is __proto__', named('__proto__')),
    accepted('a name that is constructor', named('constructor')),
    accepted('a rank of 64', one('"F32"', `[2${',1'.repeat(63)}]`)),
    accepted('nothing at the beginning', file(`{"a":${entry()},"b":${entry('"F32"', '[0]', '[0,0]')}}`)),
    accepted('nothing at the end', file(`{"a":${entry()},"b":${entry('"F32"', '[0]', '[8,8]')}}`)),
    accepted(
      'nothing between two',
      file(
        `{"a":${entry()},"b":${entry('"F32"', '[0]', '[8,8]')},"c":${entry('"F32"', '[2]', '[8,16]')}}`,
        16,
      ),
    ),
    accepted('NaN and infinity', tensorsFile({ a: { dtype: 'F32', shape: [2], data: nan } })),
    accepted(
      '1,000 tensors',
      tensorsFile(
        Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`t${i}`, { dtype: 'U8', shape: [1] }])),
      ),
    ),
    { name: 'well-formed: the small model', files: modelFiles(), call: look },
    {
      name: 'well-formed: config.json with a byte order mark',
      files: modelFiles({ 'config.json': `\ufeff${JSON.stringify(config())}` }),
      call: look,
    },
  ]
}

/** Random bits, but of BOOL, whose bytes are 0 and 1. */
const bitsOf = (dtype, bits) => {
  const bytes = randomOf(dtype).bytes(8 * bits)
  return dtype === 'BOOL' ? bytes.map((byte) => byte & 1) : bytes
}
