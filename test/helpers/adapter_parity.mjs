// The checks of one adapter on its base model against expected.safetensors and merged.safetensors (layout:
// test/parity/adapter_cases.py). The golden tests run them over stored adapters, the parity tests over fresh ones.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, mergeAdapter } from 'tongueforge'
import { openAdapter } from '#lib/checkpoint/adapter_folder'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { assertClose } from './decoder_parity.mjs'
import { readArrays, rows } from './safetensors.mjs'
import { checkGradients, checkSteps, OPTIMIZER, packedBatches } from './training_parity.mjs'
import { ulp } from './ulp.mjs'

const PREFIX = 'base_model.model.'

/** Registers the checks as subtests of `t`. */
export async function checkAdapter(t, base, adapter) {
  const expected = readArrays(join(adapter, 'expected.safetensors'))
  await t.test('logits with the adapter agree to 1e-5 of the largest', () =>
    checkLogits(base, adapter, expected),
  )
  await t.test('every merged weight is that of merge_and_unload to a unit in the last place', () =>
    checkMerged(base, adapter),
  )
  const { 'train.ids': ids, 'train.labels': labels } = expected
  const batches = packedBatches({ ids, labels })
  await t.test('gradients agree to 1e-4 of the largest of each tensor', () =>
    withTrainer(base, adapter, (trainer) =>
      checkGradients(trainer, batches[0], expected, (name) =>
        name.startsWith(PREFIX) ? name : PREFIX + name,
      ),
    ),
  )
  await t.test('losses and gradient norms of ten AdamW steps agree to 1e-4', () =>
    withTrainer(base, adapter, (trainer) => checkSteps(trainer, batches, expected)),
  )
}

async function checkLogits(base, adapter, { ids, logits }) {
  const model = await loadModel(base, { dtype: 'float32', threads: 1, adapter })
  try {
    const { data } = await model.logits(rows(ids))
    assertClose(data, logits.data, 1e-5)
  } finally {
    await model.dispose()
  }
}

// Computed in double both are rounded once. By itself PEFT rounds product and sum: a unit of the tensor's largest.
async function checkMerged(base, adapter) {
  const exact = readArrays(join(adapter, 'merged.safetensors'))
  const single = join(adapter, 'merged_float32.safetensors')
  const before = readArrays(join(base, 'model.safetensors'))
  const scratch = await mkdtemp(join(tmpdir(), 'tongueforge-merged-'))
  try {
    const { out } = await mergeAdapter({ model: base, adapter, out: join(scratch, 'out') })
    const merged = readArrays(join(out, 'model.safetensors'))
    for (const name of Object.keys(exact)) assert.ok(name in merged, name)
    for (const [name, { data }] of Object.entries(merged)) {
      const expected = exact[name]?.data ?? before[name].data
      for (const [i, value] of data.entries())
        if (!(Math.abs(value - expected[i]) <= ulp(value)))
          assert.fail(`${name}[${i}]: expected ${expected[i]}, received ${value}`)
    }
    if (existsSync(single)) checkNear(merged, readArrays(single))
  } finally {
    await rm(scratch, { recursive: true })
  }
}

function checkNear(merged, expected) {
  for (const [name, { data }] of Object.entries(expected)) {
    const unit = ulp(data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0))
    for (const [i, value] of data.entries())
      if (!(Math.abs(merged[name].data[i] - value) <= unit))
        assert.fail(`${name}[${i}]: expected ${value}, received ${merged[name].data[i]}`)
  }
}

async function withTrainer(base, folder, check) {
  const spec = decoderSpec(JSON.parse(await readFile(join(base, 'config.json'), 'utf8')))
  const adapter = await openAdapter(folder)
  const model = await runJob('loadModel', { folder: base, spec, dtype: 'float32', threads: 1 })
  await runJob('attachAdapter', { model, adapters: adapter.modules, dropout: 0, seed: 0 })
  await runJob('loadAdapter', { model, path: adapter.weights })
  const parameters = await runJob('describeModel', { spec })
  const frozen = parameters.map(({ name }) => name).filter((name) => !adapter.replaced.includes(name))
  const settings = { optimizer: OPTIMIZER, loss: { kind: 'language' }, dtype: 'float32', frozen, seed: 0 }
  const trainer = await runJob('makeTrainer', { model, ...settings })
  try {
    await check(trainer)
  } finally {
    native().dispose(trainer)
    native().dispose(model)
  }
}
