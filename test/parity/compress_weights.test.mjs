// Pruning of random models against torch.nn.utils.prune, and against Wanda and SparseGPT written plainly, tensor by
// tensor. TONGUEFORGE_PARITY_SEED repeats a run.
import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { pruneSchema } from '#lib/config/compress/prune'
import { native, runJob } from '#lib/native'
import { Random } from '#lib/text/random'
import { prune } from '#lib/verbs/compressing/prune'
import { compressWeightsReference, reference } from '../helpers/reference.mjs'
import { readArrays } from '../helpers/safetensors.mjs'

const seed = Number(process.env.TONGUEFORGE_PARITY_SEED ?? Math.floor(Math.random() * 1e6))
const [ROWS, LENGTH] = [6, 40]
// Two programs that add in another order may rank two weights the other way round, and their rows then go apart.
const NEAR_TIES = 2
const TOLERANCE = 2e-4 // of the largest weight of a tensor: an inverse of sums in float32

describe(`weights of a random model (TONGUEFORGE_PARITY_SEED=${seed})`, () => {
  let root, folder, spec, rows
  let files = 0
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'tongueforge-parity-'))
    folder = join(root, 'model')
    await reference(['random_model', 'qwen2', seed, folder])
    spec = decoderSpec(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')))
    const random = new Random(seed)
    rows = Array.from({ length: ROWS }, () => Array.from({ length: LENGTH }, () => random.uint32() % 64))
  })
  after(() => rm(root, { recursive: true, force: true }))

  /** Two batches of full rows, a document each. */
  const calibration = () =>
    [rows.slice(0, 2), rows.slice(2)].map((part) => ({
      ids: Int32Array.from(part.flat()),
      labels: new Int32Array(part.length * LENGTH).fill(-100),
      segments: new Int32Array(part.length * LENGTH),
      rows: part.length,
    }))

  async function ours(keys, from = folder) {
    const model = await runJob('loadModel', { folder: from, spec, dtype: 'float32', threads: 1 })
    const config = pruneSchema.parse({ method: 'prune', ...keys })
    await prune.run(config, { model, spec, calibration: calibration(), seed: 1, threads: 1 })
    const out = join(root, `ours-${files++}`)
    await mkdir(out)
    await runJob('saveModel', { model, folder: out, dtype: 'float32', max_shard_bytes: 1e9 })
    await cp(join(folder, 'config.json'), join(out, 'config.json'))
    native().dispose(model)
    return { folder: out, arrays: readArrays(join(out, 'model.safetensors')) }
  }

  /** All at once: a start of transformers takes longer than these models. */
  async function theirs(all) {
    const jobs = all.map((settings) => ({ out: join(root, `theirs-${files++}.safetensors`), ...settings }))
    await compressWeightsReference(jobs)
    return jobs.map(({ out }) => readArrays(out))
  }

  test('magnitude, of all and of each tensor, biases too or not: the indices of torch.nn.utils.prune', async () => {
    const settings = ['global', 'layer'].flatMap((scope) =>
      [true, false].flatMap((biases) =>
        [0.2, 0.65, 0.95].map((sparsity) => ({ folder, criterion: 'magnitude', sparsity, scope, biases })),
      ),
    )
    for (const [i, expected] of (await theirs(settings)).entries()) {
      const { sparsity, scope, biases } = settings[i]
      const { arrays } = await ours({ sparsity, scope, biases })
      assert.equal(Object.keys(expected).length, biases ? 20 : 14)
      for (const [name, { data }] of Object.entries(expected))
        assert.deepEqual(arrays[name].data, data, `${name}: ${JSON.stringify(settings[i])}`)
    }
  })

  const STAGES = [
    { criterion: 'wanda', sparsity: 0.5 },
    { criterion: 'wanda', sparsity: 0.29 },
    { criterion: 'wanda', pattern: '1:2' },
    { criterion: 'sparsegpt', sparsity: 0.5, block: 16 },
    { criterion: 'sparsegpt', sparsity: 0.77, block: 128, damping: 0.1 },
    { criterion: 'sparsegpt', pattern: '1:2', block: 16 },
  ]

  test('Wanda and SparseGPT: every tensor of both blocks, each with what the pruned one before feeds it', async (t) => {
    // Block 1 of theirs sees the pruned block 0 of ours: near ties do not add up.
    let from = STAGES.map(() => folder)
    for (const number of [0, 1]) {
      const settings = STAGES.map((keys, i) => ({ folder: from[i], number, rows, ...plainSettings(keys) }))
      const expected = await theirs(settings)
      const pruned = []
      for (const [i, keys] of STAGES.entries()) {
        const { folder: out, arrays } = await ours({ ...keys, include: [`layers.${number}.*`] }, from[i])
        assert.equal(Object.keys(expected[i]).length, 7)
        for (const [name, tensor] of Object.entries(expected[i]))
          compare(t, `${JSON.stringify(keys)}: ${name}`, arrays[name], tensor)
        pruned.push(out)
      }
      from = pruned
    }
    for (const [i, keys] of STAGES.entries()) {
      const last = readArrays(join(from[i], 'model.safetensors'))
      for (const [name, { data }] of Object.entries((await ours(keys)).arrays))
        assert.deepEqual(last[name].data, data, name)
    }
  })
})

function plainSettings({ criterion, sparsity = 0, pattern, block, damping = 0.01 }) {
  const [kept, of] = pattern?.split(':').map(Number) ?? []
  const shared = { criterion, sparsity, pattern: pattern ? { kept, of } : null }
  return criterion === 'sparsegpt' ? { ...shared, block, damping } : shared
}

/** The same zeros, and close values, in all rows but those where two scores were almost equal. */
function compare(t, name, received, expected) {
  const [count, width] = expected.shape
  const row = ({ data }, i) => data.subarray(i * width, (i + 1) * width)
  const largest = Math.max(...expected.data.map(Math.abs))
  const zeros = ({ data }) => data.filter((value) => value === 0).length
  assert.equal(zeros(received), zeros(expected), name)
  const apart = Array.from({ length: count }, (_, i) => i).filter((i) => {
    const [a, b] = [row(received, i), row(expected, i)]
    return a.some(
      (value, j) => (value === 0) !== (b[j] === 0) || Math.abs(value - b[j]) > TOLERANCE * largest,
    )
  })
  if (apart.length > 0) t.diagnostic(`${name}: near ties in rows ${apart}`)
  assert.ok(apart.length <= NEAR_TIES, `${name}: rows ${apart} of ${count} differ`)
}
