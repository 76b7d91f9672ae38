// The golden checks of adapters, live, and adapters that we trained in PEFT. TONGUEFORGE_PARITY_SEED repeats a run.
import assert from 'node:assert/strict'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { loadModel } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { checkAdapter } from '../helpers/adapter_parity.mjs'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { reference } from '../helpers/reference.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const seed = Number(process.env.TONGUEFORGE_PARITY_SEED ?? Math.floor(Math.random() * 1e6))
const root = temporaryFolder({ 'corpus.txt': 'the color of anna is red .\n\nthe color of boris is blue .\n' })

test(`random adapters do what PEFT says (TONGUEFORGE_PARITY_SEED=${seed})`, async (t) => {
  const { folders } = await reference(['random_adapter', seed, join(root, 'random')])
  for (const folder of folders)
    await t.test(basename(folder), (sub) => checkAdapter(sub, join(folder, 'base'), join(folder, 'adapter')))
})

for (const [name, lora, tied] of [
  ['all linear layers', {}, false],
  [
    'some of some layers, rslora',
    { targets: ['*.0.self_attn.*', 'down_proj'], rslora: true, rank: 3 },
    false,
  ],
  [
    'embedding, norms and head as well',
    { also: ['*embed_tokens*', '*norm*', 'lm_head.*'], targets: ['q_proj'] },
    false,
  ],
  ['a tied embedding as well', { also: ['*embed_tokens*'], targets: ['q_proj'] }, true],
]) {
  test(`an adapter that we trained computes the same in PEFT: ${name}`, async () => {
    const model = await writeTinyModel(join(root, `model-${name}`), { tied })
    const { adapter, model: merged } = await train({
      model,
      out: join(root, `run-${name}`),
      lora,
      data: [{ path: join(root, 'corpus.txt') }],
      sequence_length: 32,
      optimizer: { lr: 1e-2 },
      schedule: { warmup: 0 },
      steps: 4,
      threads: 1,
    }).result
    const ids = [[1, 5, 9, 12, 7]]
    const peft = (await reference(['adapter_logits', model, adapter, '-'], ids)).data
    const base = (await reference(['logits', model, '-'], ids)).data
    assert.ok(
      peft.some((value, i) => Math.abs(value - base[i]) > 1e-3),
      'training moved the logits',
    )
    assertClose(await logits(model, ids, { adapter }), peft, 1e-5)
    assertClose(await logits(merged, ids), peft, 1e-5)
  })
}

async function logits(folder, ids, options) {
  const model = await loadModel(folder, { threads: 1, ...options })
  const { data } = await model.logits(ids)
  await model.dispose()
  return data
}
