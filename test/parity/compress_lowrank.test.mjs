// Low rank against numpy: the same products and errors by the textbook's formulas, layer after layer; what is saved is
// read by safetensors and numpy alone, and multiplied back by transformers.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { compress, loadModel } from 'tongueforge'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { openModelFolder } from '#lib/checkpoint/model_folder'
import { native, runJob } from '#lib/native'
import { namedLinears } from '#lib/verbs/compressing/named_linears'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { lowrankReference, reference } from '../helpers/reference.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'

const root = temporaryFolder()
const RATIO = 0.45
const IDS = [[1, 5, 9, 12, 7, 30, 2, 18, 40, 3]]
let given
const seed = Number(process.env.TONGUEFORGE_PARITY_SEED ?? Math.floor(Math.random() * 1e6))

before(async () => {
  given = await tinyCompression(join(root, 'inputs'), { seed })
})

// More places than a layer has inputs, so that they span their space.
const rows = (count, time) =>
  Array.from({ length: count }, (_, i) =>
    Array.from({ length: time }, (_, j) => (i * 37 + j * j * 11 + 5) % 180),
  )

for (const measure of ['outputs', 'input_sizes', 'weights']) {
  test(`made for ${measure}, products and errors are numpy's (TONGUEFORGE_PARITY_SEED=${seed})`, async () => {
    const ids = rows(12, 48)
    const out = join(root, `${measure}.safetensors`)
    const expected = await lowrankReference(['factor', given.model, out], {
      rows: ids,
      measure,
      ratio: RATIO,
    })
    const { layers, products } = await factored(measure, ids)
    const wanted = readArrays(out)
    for (const { name, rank, foretold } of layers) {
      assert.equal(rank, expected[name].rank, name)
      // Inputs of later layers are those of two programs.
      assert.ok(Math.abs(foretold / expected[name].error - 1) < 1e-4, `${name}: ${foretold}`)
      assertClose(products[name], wanted[name].data, 1e-4, name)
    }
  })
}

test('what numpy makes of our factors is what we multiply back', async () => {
  const [thin, dense] = await Promise.all(
    [false, true].map((dense) => compressed({ ratio: RATIO, whiten: false, dense })),
  )
  const differences = await lowrankReference(['products', thin, dense])
  assert.equal(Object.keys(differences).length, 14)
  for (const [name, difference] of Object.entries(differences)) assert.ok(difference < 1e-7, name)
})

test('transformers loads what is multiplied back, and answers as we do', async () => {
  const folder = await compressed({ ratio: RATIO, dense: true })
  const { missing_keys, unexpected_keys, architecture } = await reference(['load', folder])
  assert.deepEqual([missing_keys, unexpected_keys, architecture], [[], [], 'LlamaForCausalLM'])
  assertClose(await logits(folder), (await reference(['logits', folder, '-'], IDS)).data, 1e-5)
})

test('transformers refuses a factored model by its name; we answer as its product does', async () => {
  const [thin, dense] = await Promise.all([false, true].map((dense) => compressed({ ratio: RATIO, dense })))
  assert.match(await lowrankReference(['refused', thin]), /ValueError: .*model type `tongueforge_llama`/s)
  assertClose(await logits(thin), (await reference(['logits', dense, '-'], IDS)).data, 1e-5)
})

let made = 0
async function compressed(stage) {
  const config = { ...given, stages: [{ method: 'lowrank', ...stage }], out: join(root, `run-${made++}`) }
  return (await compress(config).result).model
}

// As the stage does it, on rows of one document each.
async function factored(measure, ids) {
  const folder = await openModelFolder(given.model)
  const spec = decoderSpec(folder.config)
  const model = await runJob('loadModel', { folder: folder.path, spec, dtype: 'float32', threads: 1 })
  const flat = Int32Array.from(ids.flat())
  const batch = { ids: flat, labels: flat, segments: new Int32Array(flat.length), rows: ids.length }
  const ranks = Object.fromEntries(
    namedLinears(spec).map((linear) => [
      linear.name,
      Math.floor((RATIO * linear.in * linear.out) / (linear.in + linear.out)),
    ]),
  )
  const options = { model, batches: [batch], threads: 1, measure, ranks, multiple_of: 1, dense: true }
  const layers = await runJob('factorModel', options)
  const out = join(root, `${measure}-ours`)
  mkdirSync(out)
  await runJob('saveModel', { model, folder: out, dtype: 'float32', max_shard_bytes: 1e9 })
  native().dispose(model)
  const tensors = readArrays(join(out, 'model.safetensors'))
  return {
    layers,
    products: Object.fromEntries(layers.map(({ name }) => [name, tensors[`${name}.weight`].data])),
  }
}

async function logits(folder) {
  const model = await loadModel(folder, { threads: 1 })
  const { data } = await model.logits(IDS)
  await model.dispose()
  return data
}
