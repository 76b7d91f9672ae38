// Binary files that other programs write: sound, arrays of numpy, classifiers of fastText, files of torch.
import { readFileSync } from 'node:fs'
import { audioInfo, convert, loadLanguageIdentifier, readAudio } from 'tongueforge'
import { readNpyMatrix } from '#lib/checkpoint/npy'
import { flac, glide, toInt16, wav } from '../../helpers/sounds.mjs'
import { damaged } from '../making/damage.mjs'

const golden = (path) => readFileSync(new URL(`../../golden/${path}`, import.meta.url))
const row =
  (file, code, call) =>
  (name, content, says = []) => ({
    name: `${file.split('.').at(-1)}: ${name}`,
    files: { [file]: content },
    call,
    code,
    file,
    says,
  })

// ---- sound ----

const hear = (file) => async (folder) => {
  await audioInfo(`${folder}/${file}`)
  await readAudio(`${folder}/${file}`)
}
const wavRow = row('a.wav', 'ERR_AUDIO', hear('a.wav'))
const flacRow = row('a.flac', 'ERR_AUDIO', hear('a.flac'))
const SOUND = wav(glide({ seconds: 0.01 }))
const withNumber = (at, bytes, value) => {
  const copy = Buffer.from(SOUND)
  if (bytes === 2) copy.writeUInt16LE(value, at)
  else copy.writeUInt32LE(value, at)
  return copy
}
const WAVS = {
  'an empty file': Buffer.alloc(0),
  'no wav': Buffer.from('hello'.repeat(20)),
  'the head alone': SOUND.subarray(0, 12),
  'no samples': SOUND.subarray(0, 36),
  RIFX: Buffer.concat([Buffer.from('RIFX'), SOUND.subarray(4)]),
  'AVI for WAVE': Buffer.concat([SOUND.subarray(0, 8), Buffer.from('AVI '), SOUND.subarray(12)]),
  'a format chunk of 4 bytes': withNumber(16, 4, 4),
  'a format chunk of 4 GB': withNumber(16, 4, 0xffffffff),
  'an unknown codec': withNumber(20, 2, 0x7777),
  'mp3 in a wav': withNumber(20, 2, 0x55),
  'no channels': withNumber(22, 2, 0),
  '65,535 channels': withNumber(22, 2, 65_535),
  'a rate of 0': withNumber(24, 4, 0),
  'a frame of 0 bytes': withNumber(32, 2, 0),
  'a frame of 3 bytes': withNumber(32, 2, 3),
  '7 bits': withNumber(34, 2, 7),
  '65,535 bits': withNumber(34, 2, 65_535),
  'samples of 1 GB that are not there': withNumber(40, 4, 0x3fffffff),
  MP3: Buffer.from(`ID3${'\0'.repeat(200)}`),
}

const FLACS = {
  'an empty file': Buffer.alloc(0),
  'the mark alone': Buffer.from('fLaC'),
  'no FLAC': Buffer.from('hello'.repeat(20)),
  Ogg: Buffer.from(`OggS${'\0'.repeat(200)}`),
  'a head and no frames': Buffer.concat([
    Buffer.from('fLaC'),
    Buffer.from([0x80, 0, 0, 34]),
    Buffer.alloc(34),
  ]),
}

// ---- arrays of numpy ----

const npyRow = row('a.npy', 'ERR_DATA', (folder) => readNpyMatrix(`${folder}/a.npy`))
const npy = (header, data = 32) => {
  const text = Buffer.from(`${header.padEnd(117)}\n`, 'latin1')
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, text.length & 255, text.length >> 8])
  return Buffer.concat([head, text, Buffer.alloc(data)])
}
const described = (descr = '<f4', order = 'False', shape = '(2, 4)') =>
  npy(`{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`)
const NPYS = {
  'an empty file': Buffer.alloc(0),
  'the mark alone': Buffer.from([0x93, ...Buffer.from('NUMPY')]),
  'version 9': Buffer.from([0x93, ...Buffer.from('NUMPY'), 9, 0, 0, 0]),
  'a header of 65,535 bytes': Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 255, 255]),
  'a header of 4 GB': Buffer.from([0x93, ...Buffer.from('NUMPY'), 2, 0, 255, 255, 255, 255]),
  'objects, which are pickles': described('|O'),
  'big-endian numbers': described('>f4'),
  'whole numbers': described('<i8'),
  'columns first': described('<f4', 'True'),
  'a vector': described('<f4', 'False', '(8,)'),
  'a cube': described('<f4', 'False', '(2, 2, 2)'),
  'a scalar': described('<f4', 'False', '()'),
  'a negative size': described('<f4', 'False', '(-2, 4)'),
  'a size of 10^12': described('<f4', 'False', '(1000000000000, 4)'),
  'sizes of 999,999 each': described('<f4', 'False', '(999999, 999999)'),
  'more data': npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }", 40),
  'fewer data': npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }", 24),
  'code for a header': npy("__import__('os').system('id')"),
}

// ---- classifiers of fastText ----

const fastText = row('lid.bin', 'ERR_FASTTEXT', async (folder) => {
  const identifier = await loadLanguageIdentifier({ model: `${folder}/lid.bin` })
  try {
    await identifier.identify(['hello world'])
  } finally {
    await identifier.dispose()
  }
})
const MODELS = {
  'a plain model': 'plain.bin',
  'a model with a tree': 'tree.bin',
  'a pruned model': 'pruned.ftz',
}
const withInt = (file, at, value) => {
  const bytes = Buffer.from(golden(`fasttext/${file}`))
  bytes.writeInt32LE(value, at)
  return bytes
}
/** The head: magic, version, dim, window, epochs, fewest of words and labels, negatives, n-grams, loss, kind, buckets... */
const FIELDS = { magic: 0, version: 4, dim: 8, loss: 32, kind: 36 }

// ---- files of torch ----

const torchRow = (name, content, more = {}) => ({
  name: `pt: ${name}`,
  files: { 'a.pt': content },
  call: (folder) => convert({ file: `${folder}/a.pt`, out: `${folder}/out` }),
  code: 'ERR_PICKLE',
  file: 'a.pt',
  ...more,
})
const PICKLES = {
  'an empty file': Buffer.alloc(0),
  'no zip': Buffer.from('hello'.repeat(20)),
  'a bare pickle': Buffer.from('80027d71002e', 'hex'),
  'a bare pickle that runs a command': Buffer.from("cos\nsystem\n(S'touch pwned'\ntR."),
  'the end of a zip alone': Buffer.concat([Buffer.from('PK\x05\x06'), Buffer.alloc(18)]),
  'a zip with a comment': Buffer.concat([
    Buffer.from('PK\x05\x06'),
    Buffer.alloc(16),
    Buffer.from([1, 0, 65]),
  ]),
  'a zip of 65,535 entries': Buffer.concat([
    Buffer.from('PK\x05\x06'),
    Buffer.from([0, 0, 0, 0, 255, 255, 255, 255]),
    Buffer.alloc(10),
  ]),
  'a tar': Buffer.concat([Buffer.alloc(257), Buffer.from('ustar'), Buffer.alloc(400)]),
  'safetensors by another name': Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}')]),
  HDF5: Buffer.concat([Buffer.from('\x89HDF\r\n\x1a\n', 'latin1'), Buffer.alloc(100)]),
}

let sound
/** Made once: the encoder is a library in WebAssembly. */
const flacFile = async () => {
  sound ??= (await flac([Array.from(glide({ seconds: 0.05 }), toInt16)])).bytes
  return sound
}
const SOUND_FLAC = await flacFile()
/** A head that says how many samples there are: 36 bits of it. */
const claims = (samples, content = SOUND_FLAC) => {
  const copy = Buffer.from(content)
  copy.writeBigUInt64BE((copy.readBigUInt64BE(18) & ~0xfffffffffn) | samples, 18)
  return copy
}
const CLAIMS = {
  'a head of 2^36 - 1 samples, and sound': claims(2n ** 36n - 1n),
  'a head of 2^36 - 1 samples alone': claims(2n ** 36n - 1n).subarray(0, 42),
  'a head of a sample, and nothing else': claims(1n).subarray(0, 42),
  'a head of ten thousand million samples': claims(10n ** 10n),
}

export const binaryFiles = () => [
  ...Object.entries(WAVS).map(([name, bytes]) => wavRow(name, bytes)),
  ...damaged(
    'a short sound',
    SOUND,
    (name, bytes) => ({ ...wavRow(name, bytes), ...(name.includes('cut off') && { either: true }) }),
    { within: 44 },
  ),
  ...Object.entries(FLACS).map(([name, bytes]) => flacRow(name, bytes)),
  ...Object.entries(CLAIMS).map(([name, bytes]) => flacRow(name, bytes, ['samples'])),
  ...damaged('a short sound of FLAC', SOUND_FLAC, flacRow),
  ...Object.entries(NPYS).map(([name, bytes]) => npyRow(name, bytes)),
  ...Object.entries(MODELS).flatMap(([name, file]) =>
    damaged(name, golden(`fasttext/${file}`), fastText, { within: 400 }),
  ),
  ...Object.entries(FIELDS).flatMap(([name, at]) =>
    [-1, 0x7fffffff, -0x80000000].map((value) =>
      fastText(`${name} is ${value}`, withInt('plain.bin', at, value)),
    ),
  ),
  fastText('an empty file', Buffer.alloc(0)),
  fastText('no model', Buffer.from('hello'.repeat(20))),
  ...Object.entries(PICKLES).map(([name, bytes]) => torchRow(name, bytes)),
  ...damaged('containers', golden('torch_files/containers.pt'), torchRow, { turns: 0 }),
  ...damaged('tensors', golden('torch_files/dtypes.pt'), torchRow, { turns: 0 }),
  ...good(),
]

const good = () => [
  { name: 'well-formed: a wav file', files: { 'a.wav': SOUND }, call: hear('a.wav') },
  { name: 'well-formed: a FLAC file', files: { 'a.flac': SOUND_FLAC }, call: hear('a.flac') },
  {
    name: 'well-formed: an array of numpy',
    files: { 'a.npy': described() },
    call: (folder) => readNpyMatrix(`${folder}/a.npy`),
  },
  {
    name: 'well-formed: an array of doubles',
    files: { 'a.npy': npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }") },
    call: (folder) => readNpyMatrix(`${folder}/a.npy`),
  },
  ...Object.entries(MODELS).map(([name, file]) => ({
    ...fastText(`well-formed: ${name}`, golden(`fasttext/${file}`)),
    code: undefined,
  })),
]
