// Files of torch read by the library, and compared with what torch itself read of them: a safetensors file of the
// same name, tensors by their path, the rest as JSON in its metadata (test/parity/torch_files_cases.py).
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { convert } from 'tongueforge'
import { native, runJob } from '#lib/native'
import { temporaryFolder } from './folders.mjs'
import { readTensors } from './safetensors.mjs'

/** Checks FOLDER/NAME.pt against FOLDER/NAME.safetensors: every tensor byte for byte, and every other value. */
export async function checkTorchFile(folder, name) {
  const { source, files } = await runJob('openTorch', { paths: [join(folder, `${name}.pt`)] })
  const [{ tree, tensors }] = files
  const expected = join(folder, `${name}.safetensors`)
  assert.deepEqual(plain(tree), JSON.parse(metadataOf(expected).tree))
  const named = tensors.map(({ id, path }) => ({ name: path.join('/'), file: 0, id }))
  const staged = temporaryFolder()
  await runJob('writeTorchTensors', { source, tensors: named, staged, max_shard_bytes: 1e9 })
  native().dispose(source)
  assert.deepEqual(readTensors(join(staged, 'model.safetensors')), readTensors(expected))
}

function metadataOf(path) {
  const file = readFileSync(path)
  return JSON.parse(file.toString('utf8', 8, 8 + Number(file.readBigUInt64LE(0)))).__metadata__
}

// JSON has no infinity, and null where we have nothing.
const plain = (tree) =>
  JSON.parse(
    JSON.stringify(tree, (_, value) => {
      if (value === Number.POSITIVE_INFINITY) return 'inf'
      return value === undefined ? null : value
    }),
  )

/** Converts FOLDER/given as its case has it, and compares with what is expected (test/parity/conversion_cases.py). */
export async function checkConversion(folder) {
  const given = join(folder, 'given')
  const checkpoint = join(given, 'states.ckpt')
  const isSpeech = existsSync(checkpoint)
  const out = join(temporaryFolder(), 'converted')
  const file = isSpeech ? checkpoint : given
  const statistics = isSpeech ? { statistics: join(given, 'mean-std.npy') } : {}
  const report = await convert({ file, out, ...statistics })
  assert.equal(report.checked, true)
  assert.deepEqual(
    readTensors(join(out, 'model.safetensors')),
    readTensors(join(folder, 'expected.safetensors')),
  )
  if (isSpeech) checkSpeechConfig(folder, out, report)
  else assert.deepEqual(readJson(join(out, 'config.json')), readJson(join(given, 'config.json')))
  return { out, report }
}

function checkSpeechConfig(folder, out, report) {
  const { masked, removed_heads, ...keys } = readJson(join(folder, 'expected.json'))
  const config = readJson(join(out, 'config.json'))
  for (const [key, value] of Object.entries(keys)) assert.deepEqual(config[key], value, key)
  assert.equal(report.masked, masked)
  assert.deepEqual(report.removed_heads, removed_heads)
  const features = readJson(join(out, 'preprocessor_config.json'))
  assert.equal(features.stacked_frames * features.num_mel_bins, config.feat_emb_dim)
  assert.equal(features.mean.length, features.num_mel_bins)
}

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'))
