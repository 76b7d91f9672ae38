// Checkpoints of torch as model folders: what is refused and how, and that nothing half-made is left. That the tensors are
// right is shown by golden/conversions and parity/torch_files.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { convert, inspect, loadModel } from 'tongueforge'
import { readFrontEndConfig } from '#lib/audio/front_end_config'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readTensors } from '../helpers/safetensors.mjs'

const golden = join(dirname(fileURLToPath(import.meta.url)), '../golden')
const root = temporaryFolder()
let made = 0
const out = () => join(root, `out-${made++}`)
const json = (folder, name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
/** A copy of a golden case, to be spoilt. */
function copyOf(name) {
  const folder = temporaryFolder()
  cpSync(join(golden, 'conversions', name, 'given'), folder, { recursive: true })
  return folder
}
const LLAMA = join(golden, 'conversions/llama_tied/given')
const HEADS = join(golden, 'conversions/melhubert_heads/given')

test('a converted model loads and runs, and its records say where it comes from', async () => {
  const report = await convert({ file: LLAMA, out: out() })
  assert.deepEqual(report.shared, { 'lm_head.weight': 'model.embed_tokens.weight' })
  assert.equal(report.checked, true)
  assert.equal(report.bytes_written, report.bytes_to_write)
  const model = await loadModel(report.out)
  const { ids, finish_reason } = await model.generate([1, 5], { maxNewTokens: 3 }).result
  assert.ok(finish_reason === (ids.length < 3 ? 'stop' : 'length'))
  await model.dispose()
  const [input] = json(report.out, 'provenance.json').inputs
  assert.deepEqual(
    input.files.map(({ name }) => name),
    ['pytorch_model.bin', 'config.json'],
  )
  assert.deepEqual(json(report.out, 'report.json').shared, report.shared)
  assert.match(readFileSync(join(report.out, 'resolved.yaml'), 'utf8'), /^verb: convert\nfile: /)
  assert.equal((await inspect(report.out)).architecture, 'llama')
})

test('a converted checkpoint of pruned heads is a speech encoder that loads and hears', async () => {
  const { out: folder } = await convert({
    file: join(HEADS, 'states.ckpt'),
    statistics: join(HEADS, 'mean-std.npy'),
    out: out(),
  })
  const { sampling_rate, num_mel_bins, stacked_frames, std } = await readFrontEndConfig(folder)
  assert.deepEqual([sampling_rate, num_mel_bins, stacked_frames, std.at(-1)], [16000, 6, 2, 2])
  const model = await loadModel(folder)
  assert.equal(model.constructor.name, 'SpeechEncoder')
  await model.dispose()
})

test('the folder, the file and its index name the same model', async () => {
  const folder = join(golden, 'conversions/llama_sharded/given')
  const written = []
  for (const file of [folder, join(folder, 'pytorch_model.bin.index.json')])
    written.push(readTensors(join((await convert({ file, out: out() })).out, 'model.safetensors')))
  assert.deepEqual(written[0], written[1])
})

test('where config.json does not tie weights, names that share data each get their own', async () => {
  const folder = copyOf('llama_tied')
  const config = json(folder, 'config.json')
  for (const tie_word_embeddings of [false, undefined]) {
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, tie_word_embeddings }))
    const report = await convert({ file: folder, out: out() })
    assert.deepEqual(report.shared, {})
    const tensors = readTensors(join(report.out, 'model.safetensors'))
    assert.deepEqual(tensors['lm_head.weight'], tensors['model.embed_tokens.weight'])
  }
})

test('a dry run says what would be written, and writes nothing', async () => {
  const place = out()
  const plan = await convert({ file: join(HEADS, 'states.ckpt'), out: place, dryRun: true })
  assert.deepEqual([plan.kind, plan.dry_run, plan.architecture], ['melhubert', true, 'tongueforge_melhubert'])
  assert.deepEqual(plan.removed_heads, { 0: [0, 1, 3], 1: [2] })
  assert.ok(plan.left_out.includes('Optimizer'))
  assert.ok(!existsSync(place))
  const done = await convert({ file: join(HEADS, 'states.ckpt'), out: place })
  assert.equal(done.bytes_written, plan.bytes_to_write)
  assert.ok(!existsSync(join(place, 'preprocessor_config.json')), 'no statistics, no features')
})

test('a checkpoint that contradicts its config, or config.json that does not fit, is refused and nothing is left', async () => {
  const folder = copyOf('llama_tied')
  const config = json(folder, 'config.json')
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, num_hidden_layers: 3 }))
  const place = temporaryFolder()
  await assert.rejects(convert({ file: folder, out: join(place, 'new') }), {
    code: 'ERR_MISSING_TENSOR',
    message: /model\.layers\.2\./,
  })
  assert.deepEqual(readdirSync(place), [])
})

test('an index and shards that contradict each other are refused with the tensor', async () => {
  const folder = copyOf('llama_sharded')
  const index = json(folder, 'pytorch_model.bin.index.json')
  const { 'model.norm.weight': file, ...rest } = index.weight_map
  const write = (weight_map) =>
    writeFileSync(join(folder, 'pytorch_model.bin.index.json'), JSON.stringify({ ...index, weight_map }))
  write(rest)
  await assert.rejects(convert({ file: folder, out: out() }), {
    code: 'ERR_SHARD_INDEX',
    message: /tensor "model\.norm\.weight": expected the index to list what is in /,
  })
  write({ ...index.weight_map, more: file })
  await assert.rejects(convert({ file: folder, out: out() }), {
    code: 'ERR_SHARD_INDEX',
    message: /tensor "more": expected it in /,
    hint: /Fetch/,
  })
})

test('files that are no checkpoint of a model are refused with what they hold and what to do', async () => {
  await assert.rejects(convert({ file: join(golden, 'torch_files/containers.pt'), out: out() }), {
    code: 'ERR_NOT_FOUND',
    message: /config\.json/,
    hint: /beside its weights/,
  })
  const folder = copyOf('llama_tied')
  cpSync(join(golden, 'torch_files/generators.pt'), join(folder, 'pytorch_model.bin'))
  await assert.rejects(convert({ file: folder, out: out() }), {
    code: 'ERR_PICKLE',
    message: /expected the tensors of a model by name, received the keys model, RandomState/,
    hint: /state_dict/,
  })
  await assert.rejects(convert({ file: join(folder, 'config.json'), out: out() }), {
    code: 'ERR_PICKLE',
    message: /config\.json, byte 0: expected a file that torch\.save wrote/,
  })
  await assert.rejects(convert({ file: join(root, 'nowhere.bin'), out: out() }), { code: 'ERR_NOT_FOUND' })
  await assert.rejects(convert({ file: golden, out: out() }), {
    code: 'ERR_NOT_FOUND',
    message: /expected pytorch_model\.bin or pytorch_model\.bin\.index\.json, found /,
  })
})

test('statistics are checked, and only taken for MelHuBERT', async () => {
  const file = join(HEADS, 'states.ckpt')
  const folder = temporaryFolder({ 'text.npy': 'hello', 'flat.npy': npy('(12,)', 12) })
  for (const [name, message] of [
    ['text.npy', /expected a file of numpy\.save/],
    ['flat.npy', /expected a matrix of float32 or float64 in C order, received .*\(12,\)/],
  ])
    await assert.rejects(convert({ file, statistics: join(folder, name), out: out() }), {
      code: 'ERR_DATA',
      message,
    })
  const [short, zero] = [join(folder, 'short.npy'), join(folder, 'zero.npy')]
  writeFileSync(short, npy('(2, 6)', 11))
  writeFileSync(zero, npy('(2, 6)', 12))
  await assert.rejects(convert({ file, statistics: short, out: out() }), {
    code: 'ERR_DATA',
    message: /expected 48 bytes of data, received 44/,
    hint: /numpy\.save/,
  })
  await assert.rejects(convert({ file, statistics: zero, out: out() }), {
    code: 'ERR_DATA',
    message: /deviations above 0/,
  })
  await assert.rejects(convert({ file: LLAMA, statistics: zero, out: out() }), {
    code: 'ERR_USAGE',
    message: /statistics: expected only with a checkpoint of MelHuBERT/,
  })
})

/** A .npy of float32 zeros. */
function npy(shape, count) {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117).concat('\n')
  const length = Buffer.alloc(2)
  length.writeUInt16LE(header.length)
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    length,
    Buffer.from(header),
    Buffer.alloc(4 * count),
  ])
}

test('an aborted conversion rejects with the reason, and leaves nothing', async () => {
  const place = temporaryFolder()
  const stop = new AbortController()
  const call = convert(
    { file: LLAMA, out: join(place, 'new') },
    { signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) },
  )
  await assert.rejects(call, /enough/)
  assert.deepEqual(readdirSync(place), [])
})

test('the command prints its report, and says of a hostile file what it asked for', async () => {
  const done = await cli(['convert', LLAMA, '--out', out(), '--json'])
  assert.equal(done.code, 0)
  assert.equal(JSON.parse(done.out).kind, 'transformers')
  const folder = copyOf('llama_tied')
  const file = join(folder, 'pytorch_model.bin')
  // Of the same length, so that the archive stays as it is; the checksum of the pickle is made right again.
  const bytes = spoilt(
    readFileSync(file),
    'ctorch._utils\n_rebuild_tensor_v2',
    'ctorch._utils\n_rebuild_tensor_os',
  )
  writeFileSync(file, bytes)
  const refused = await cli(['convert', folder, '--out', out(), '--json'])
  assert.equal(refused.code, 1)
  const { error } = JSON.parse(refused.out)
  assert.deepEqual([error.code, error.details.global], ['ERR_PICKLE', 'torch._utils._rebuild_tensor_os'])
  assert.match(error.hint, /Nothing of the file was run/)
})

/** Replaces a text of the pickle, and its checksum in the directory of the archive. */
function spoilt(bytes, from, to) {
  const at = bytes.indexOf(from)
  assert.ok(at > 0 && from.length === to.length)
  bytes.write(to, at, 'latin1')
  const name = bytes.lastIndexOf('data.pkl')
  const entry = bytes.lastIndexOf('PK\x01\x02', name, 'latin1')
  const begin = 30 + bytes.readUInt16LE(26) + bytes.readUInt16LE(28)
  bytes.writeUInt32LE(crc32(bytes.subarray(begin, begin + bytes.readUInt32LE(entry + 24))), entry + 16)
  return bytes
}

function crc32(bytes) {
  let sum = ~0
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0)
  }
  return ~sum >>> 0
}
