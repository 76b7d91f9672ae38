// The golden checks, live: random models of every row of encoder_cases.py, new ones each time, made and answered by
// the installed transformers. TONGUEFORGE_PARITY_SEED repeats a run.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { native, runJob } from '#lib/native'
import { checkEncoder } from '../helpers/encoder_parity.mjs'
import { reference } from '../helpers/reference.mjs'
import { checkMaskedTraining } from '../helpers/training_parity.mjs'

const ROUNDS = 3
const first = Number(process.env.TONGUEFORGE_PARITY_SEED ?? Math.floor(Math.random() * 1e6))

for (let seed = first; seed < first + ROUNDS; seed++) {
  test(`random encoders answer and learn as transformers does (TONGUEFORGE_PARITY_SEED=${seed})`, async (t) => {
    const out = await mkdtemp(join(tmpdir(), 'tongueforge-parity-'))
    t.after(() => rm(out, { recursive: true, force: true }))
    const { folders } = await reference(['random_encoder', 'all', seed, join(out, 'made')])
    for (const folder of folders) await t.test(basename(folder), (sub) => checkFolder(sub, folder))
    await t.test('saved again, all load in transformers with no key missing or unexpected', () =>
      checkSaved(folders, join(out, 'saved')),
    )
  })
}

async function checkFolder(t, folder) {
  await checkEncoder(t, folder)
  if (existsSync(join(folder, 'training.safetensors'))) await checkMaskedTraining(t, folder)
}

async function checkSaved(folders, out) {
  for (const folder of folders) await saveAgain(folder, join(out, basename(folder)))
  const loaded = await reference(['load_encoders', out])
  assert.deepEqual(Object.keys(loaded).sort(), folders.map((folder) => basename(folder)).sort())
  for (const [name, { architecture, missing_keys, unexpected_keys, mismatched_keys }] of Object.entries(
    loaded,
  )) {
    const { architectures } = JSON.parse(await readFile(join(out, name, 'config.json'), 'utf8'))
    assert.equal(architecture, architectures[0])
    assert.deepEqual([missing_keys, unexpected_keys, mismatched_keys], [[], [], []], name)
  }
}

async function saveAgain(folder, saved) {
  await mkdir(saved, { recursive: true })
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'))
  const model = await runJob('loadModel', { folder, spec: modelSpec(config), dtype: 'float32', threads: 1 })
  try {
    await runJob('saveModel', { model, folder: saved, dtype: 'float32', max_shard_bytes: 5e9 })
  } finally {
    native().dispose(model)
  }
  await cp(join(folder, 'config.json'), join(saved, 'config.json'))
}
