// model.safetensors.index.json, and what lies beside it, through `inspect`.
import { inspect } from 'tongueforge'
import { modelFiles } from '../making/model.mjs'
import { tensorsFile } from '../making/safetensors.mjs'

const INDEX = 'model.safetensors.index.json'
const FIRST = 'model-00001-of-00002.safetensors'
const SECOND = 'model-00002-of-00002.safetensors'
const tensor = (name) => tensorsFile({ [name]: { dtype: 'F32', shape: [2] } })
const look = (folder) => inspect(`${folder}/model`)

const folderOf = (index, more = {}) =>
  modelFiles({
    'model.safetensors': undefined,
    [INDEX]: index,
    [FIRST]: tensor('a'),
    [SECOND]: tensor('b'),
    ...more,
  })
const row = (name, index, more, says = []) => ({
  name,
  files: folderOf(index, more),
  call: look,
  code: 'ERR_SHARD_INDEX',
  file: INDEX,
  says,
})
const index = (weight_map, metadata = { total_size: 16 }) => ({ metadata, weight_map })
const GOOD = index({ a: FIRST, b: SECOND })

/** Values that are no bare name of a weight file. */
const FILES = [
  ...[
    '../model.safetensors',
    '../../etc/passwd.safetensors',
    '/etc/x.safetensors',
    'a/b.safetensors',
    './a.safetensors',
  ],
  ...[
    '..',
    '.',
    '',
    '.safetensors',
    '.hidden.safetensors',
    '-a.safetensors',
    'a b.safetensors',
    'a\\b.safetensors',
  ],
  ...[
    'C:\\x.safetensors',
    'a\u0000.safetensors',
    'a\n.safetensors',
    'ä.safetensors',
    '~.safetensors',
    '$HOME.safetensors',
  ],
  ...[
    'http://x/y.safetensors',
    'file:x.safetensors',
    'a.safetensors/',
    'a.SAFETENSORS',
    'a.bin',
    'config.json',
    'a.safetensors ',
  ],
  ...[
    'a?.safetensors',
    'a*.safetensors',
    '%2e%2e%2fa.safetensors',
    `${'a'.repeat(300)}.safetensors`,
    'a.safetensors\u001b[2J',
  ],
]

const TEXTS = {
  'an empty index': '',
  'an index cut short': JSON.stringify(GOOD).slice(0, 40),
  'an index that is a list': '[]',
  'an index that is null': 'null',
  'an index that is no JSON': 'weights',
  'an index of no keys': '{}',
  'an index with a comma at the end': '{"weight_map":{"a":"x"},}',
  'an index with a mark': `\ufeff${JSON.stringify(GOOD)}`,
  'an index in UTF-16': Buffer.from(JSON.stringify(GOOD), 'utf16le'),
  'an index that is no UTF-8': Buffer.from('{"weight_map":{"\xff":"a"}}', 'latin1'),
  'two indexes': `${JSON.stringify(GOOD)}${JSON.stringify(GOOD)}`,
  'a map twice': `{"weight_map":${JSON.stringify(GOOD.weight_map)},"weight_map":{}}`,
  'a map twice through an escape': `{"weight_map":${JSON.stringify(GOOD.weight_map)},"weight_m\\u0061p":{}}`,
  'metadata twice': `{"metadata":{},"metadata":{},"weight_map":${JSON.stringify(GOOD.weight_map)}}`,
  'a tensor twice': `{"weight_map":{"a":"${FIRST}","a":"${SECOND}","b":"${SECOND}"}}`,
  'a tensor twice through an escape': `{"weight_map":{"a":"${FIRST}","\\u0061":"${SECOND}","b":"${SECOND}"}}`,
  'a total size of -1': `{"metadata":{"total_size":-1},"weight_map":{"a":"${FIRST}","b":"${SECOND}"}}`,
  'a total size of 1e300': `{"metadata":{"total_size":1e300},"weight_map":{"a":"${FIRST}","b":"${SECOND}"}}`,
  'a total size of 2^64': `{"metadata":{"total_size":18446744073709551616},"weight_map":{"a":"${FIRST}","b":"${SECOND}"}}`,
  'a total size twice': `{"metadata":{"total_size":16,"total_size":16},"weight_map":{"a":"${FIRST}","b":"${SECOND}"}}`,
  'deep nesting in metadata': `{"metadata":{"x":${'['.repeat(100_000)}`,
  'deep nesting of another key': `{"x":${'{"a":'.repeat(100_000)}`,
}

const VALUES = {
  'a map that is a list': { weight_map: [] },
  'a map that is a text': { weight_map: 'x' },
  'a map that is null': { weight_map: null },
  'an empty map': { weight_map: {} },
  'a file as a number': index({ a: 1 }),
  'a file as a list': index({ a: [FIRST] }),
  'a file as a table': index({ a: {} }),
  'a file as null': index({ a: null }),
  'metadata as a list': { metadata: [], weight_map: GOOD.weight_map },
  'metadata as a text': { metadata: 'x', weight_map: GOOD.weight_map },
  'a total size as a text': index(GOOD.weight_map, { total_size: '16' }),
  'a total size one too small': index(GOOD.weight_map, { total_size: 15 }),
  'a total size one too large': index(GOOD.weight_map, { total_size: 17 }),
  'a tensor that no file has': index({ a: FIRST, b: SECOND, c: SECOND }),
  'a tensor in the other file': index({ a: SECOND, b: SECOND }),
  'a tensor that is left out': index({ a: FIRST }),
  'a file that is not there': index({ a: FIRST, b: 'model-00003-of-00003.safetensors' }),
  'the second of two alone': index({ b: SECOND }, {}),
  'files of two counts': index({ a: FIRST, b: 'model-00002-of-00003.safetensors' }),
  'a file of number 0': index({ a: 'model-00000-of-00002.safetensors', b: SECOND }),
  '10,001 files': index(
    Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`t${i}`, `f${i}.safetensors`])),
  ),
}

export const shardIndexes = () => [
  ...Object.entries(TEXTS).map(([name, text]) => row(name, text)),
  ...Object.entries(VALUES).map(([name, value]) => row(name, value)),
  ...FILES.map((file) =>
    row(`a file named ${JSON.stringify(file.slice(0, 40))}`, index({ a: file, b: SECOND })),
  ),
  {
    ...row('a shard that is damaged', GOOD, { [SECOND]: Buffer.alloc(20, 1) }),
    code: 'ERR_SAFETENSORS',
    file: SECOND,
  },
  { ...row('a shard that is empty', GOOD, { [SECOND]: '' }), code: 'ERR_SAFETENSORS', file: SECOND },
  row('a tensor in both shards', GOOD, {
    [SECOND]: tensorsFile({ a: { dtype: 'F32', shape: [2] }, b: { dtype: 'F32', shape: [2] } }),
  }),
  { ...row('a shard that is not there', GOOD, { [SECOND]: undefined }), says: [SECOND] },
  ...good(),
]

const accepted = (name, value, more) => ({
  name: `well-formed: ${name}`,
  files: folderOf(value, more),
  call: look,
})

const good = () => [
  accepted('two shards', GOOD),
  accepted('no metadata', { weight_map: GOOD.weight_map }),
  accepted('metadata without a size', index(GOOD.weight_map, {})),
  accepted('metadata with more', index(GOOD.weight_map, { total_size: 16, x: { y: [1, 2.5, null] } })),
  accepted('another key', { ...GOOD, version: [1] }),
  accepted('blanks and line ends', JSON.stringify(GOOD, null, 2).replaceAll('\n', '\r\n')),
  accepted('names without numbers', index({ a: 'x.safetensors', b: 'y_z-1.safetensors' }), {
    ...{
      [FIRST]: undefined,
      [SECOND]: undefined,
      'x.safetensors': tensor('a'),
      'y_z-1.safetensors': tensor('b'),
    },
  }),
  accepted('one shard', index({ a: 'model-00001-of-00001.safetensors' }, {}), {
    ...{ [FIRST]: undefined, [SECOND]: undefined, 'model-00001-of-00001.safetensors': tensor('a') },
  }),
  accepted('other weight files, which are left alone', GOOD, { 'other.safetensors': 'x' }),
  accepted('a single file beside it, which is taken', 'no index at all', {
    'model.safetensors': tensor('a'),
  }),
]
