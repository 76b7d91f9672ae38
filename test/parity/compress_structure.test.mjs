// Heads, hidden units and layers that have left: the scores against hooks on transformers, the model that is left
// against the whole one with zeros in their place, and what is saved against what transformers loads of it.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { loadModel } from 'tongueforge'
import { withLayers } from '#lib/checkpoint/layer_config'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { reference, structureReference } from '../helpers/reference.mjs'

// Float32 programs that add in different orders: logits of a few units, scores through a backward pass.
const LOGITS_TOLERANCE = 1e-5
const SCORE_TOLERANCE = 2e-4

/** What stays of each layer, by how heads are grouped there: two query heads a group, but for llama. */
const CASES = {
  llama: { unit: 'group', keep: 2 },
  llama_bias: { unit: 'query', keep: 1 },
  llama_tied_gqa: { unit: 'group', keep: 1 },
  qwen2: { unit: 'query', keep: 1 },
  qwen3: { unit: 'group', keep: 1 },
  mistral_sliding_window: { unit: 'group', keep: 1 },
  qwen2_sliding_window: { unit: 'group', keep: 1 },
}
const ROWS_KEPT = 10
const SEED = 20

const root = temporaryFolder()
/** By case: what transformers says of the model. Two calls do for all: most of their time is the start. */
let expected
/** What has been taken out of which model, and what transformers says of the model with zeros in its place. */
const removals = []

for (const [name, { unit, keep }] of Object.entries(CASES)) {
  const heads = { unit, job: 'pruneHeads', what: 'heads', keep }
  for (const criterion of ['l1', 'data', 'taylor']) removals.push({ name, criterion, ...heads })
  for (const criterion of ['l1', 'activation', 'taylor'])
    removals.push({ name, criterion, job: 'pruneRows', what: 'rows', keep: ROWS_KEPT })
  for (const criterion of ['influence', 'angle'])
    removals.push({ name, criterion, job: 'dropLayers', what: 'layers' })
}

before(async () => {
  console.log(`seed ${SEED}`)
  expected = await structureReference(['scores', SEED, root], Object.keys(CASES))
  for (const removal of removals) Object.assign(removal, await removed(removal))
  const asked = removals.flatMap(({ name, what, kept, out }) => {
    const { folder, ids } = expected[name]
    return [
      { folder: out, ids },
      { folder, ids, [what]: kept },
    ]
  })
  const answers = await structureReference(['answers'], asked)
  for (const [i, removal] of removals.entries())
    [removal.theirs, removal.masked] = answers.slice(2 * i, 2 * i + 2)
})

for (const name of Object.keys(CASES)) {
  describe(name, () => {
    for (const removal of removals.filter((one) => one.name === name)) {
      const { what, criterion } = removal
      test(`${what} by ${criterion}: the scores, what is left, what transformers loads of it`, () => {
        const { scores, ours, theirs, masked } = removal
        const layers = what === 'layers' ? [expected[name][criterion]] : expected[name][what][criterion]
        assert.equal(scores.length, layers.length)
        for (const [i, layer] of layers.entries())
          assertClose(scores[i], layer, SCORE_TOLERANCE, `scores of layer ${i}`)
        assertClose(ours, masked, LOGITS_TOLERANCE)
        assertClose(ours, theirs, LOGITS_TOLERANCE)
      })
    }
  })
}

test('heads that do not divide the width: its Llama refuses what its own code could run', async () => {
  const heads = { job: 'pruneHeads', what: 'heads', unit: 'group', criterion: 'l1', keep: 3 }
  const { out } = await removed({ name: 'llama', ...heads })
  await assert.rejects(reference(['load', out]), /hidden size \(32\) is not a multiple of .* heads \(3\)/)
})

let made = 0

/** Takes it out, saves what is left and runs that. */
async function removed({ name, job, what, unit, criterion, keep }) {
  const { folder, ids } = expected[name]
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))
  const spec = decoderSpec(config)
  const model = await runJob('loadModel', { folder, spec, dtype: 'float32', threads: 1 })
  const amount = what === 'layers' ? { count: 1 } : { keep: spec.layers.map(() => keep) }
  const inputs = { model, batches: [batchOf(ids)], threads: 1, loss: 'language' }
  const result = await runJob(job, { ...inputs, unit, criterion, ...amount })
  const kept = what === 'layers' ? int32s(result.kept) : result.kept.map(int32s)
  const blocks = await runJob('describeBlocks', { model })
  const before = what === 'layers' ? kept.map((i) => spec.layers[i]) : spec.layers
  const layers = blocks.map((block, i) => ({ ...before[i], ...block }))
  const out = join(root, `left-${made++}`)
  mkdirSync(out)
  writeFileSync(join(out, 'config.json'), JSON.stringify(withLayers(config, layers, spec)))
  await runJob('saveModel', { model, folder: out, dtype: 'float32', max_shard_bytes: 1e9 })
  native().dispose(model)
  const loaded = await loadModel(out, { dtype: 'float32', threads: 1 })
  const { data } = await loaded.logits(ids)
  await loaded.dispose()
  return { out, kept, ours: data, scores: what === 'layers' ? [result.scores] : result.scores }
}

const int32s = (buffer) => [...new Int32Array(buffer)]

/** Each row one document, every token but the first to be predicted. */
function batchOf(ids) {
  const flat = (rows) => Int32Array.from(rows.flat())
  return {
    ids: flat(ids),
    labels: flat(ids.map((row) => row.map((id, place) => (place === 0 ? -100 : id)))),
    segments: flat(ids.map((row) => row.map(() => 0))),
    rows: ids.length,
  }
}
