// Torch-Pruning, which finds by itself what has to go together: by magnitude it keeps the same heads and hidden units,
// and what it leaves of the model says the same.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { reference, torchPruningReference } from '../helpers/reference.mjs'

const IDS = [
  [1, 5, 9, 60, 33, 2, 17],
  [3, 3, 8, 41, 12, 0, 7],
]
const KEEP = { heads: 2, rows: 19 }
const SEED = 31

const root = temporaryFolder()
let folder, spec, theirs
before(async () => {
  console.log(`seed ${SEED}`)
  const made = await reference(['random_model', 'llama', SEED, join(root, 'llama')])
  folder = made.folders[0]
  spec = decoderSpec(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')))
  theirs = await torchPruningReference([folder], { ids: IDS, ...KEEP })
})

for (const [part, job] of [
  ['heads', 'pruneHeads'],
  ['rows', 'pruneRows'],
]) {
  test(`${part} by magnitude: the same stay, and say the same`, async () => {
    const model = await runJob('loadModel', { folder, spec, dtype: 'float32', threads: 1 })
    const inputs = { model, batches: [], threads: 1, loss: 'language', criterion: 'l1', unit: 'group' }
    const { kept } = await runJob(job, { ...inputs, keep: spec.layers.map(() => KEEP[part]) })
    assert.deepEqual(
      kept.map((buffer) => [...new Int32Array(buffer)]),
      theirs[part].kept,
    )
    const { data } = await runJob('logits', {
      model,
      rows: IDS.map((row) => Int32Array.from(row)),
      threads: 1,
    })
    native().dispose(model)
    assertClose(new Float32Array(data), theirs[part].data, 1e-5)
  })
}
