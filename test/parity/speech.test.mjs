// The golden checks, live: random models of every row of speech_cases.py, new ones each time, made and answered by the
// installed transformers and by melhubert.py. TONGUEFORGE_PARITY_SEED repeats a run.
import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { native, runJob } from '#lib/native'
import { reference } from '../helpers/reference.mjs'
import { checkSpeech } from '../helpers/speech_parity.mjs'

const ROUNDS = 3
const first = Number(process.env.TONGUEFORGE_PARITY_SEED ?? Math.floor(Math.random() * 1e6))

for (let seed = first; seed < first + ROUNDS; seed++) {
  test(`random speech encoders hear as transformers does (TONGUEFORGE_PARITY_SEED=${seed})`, async (t) => {
    const out = await mkdtemp(join(tmpdir(), 'tongueforge-parity-'))
    t.after(() => rm(out, { recursive: true, force: true }))
    const { folders } = await reference(['random_speech', 'all', seed, join(out, 'made')])
    for (const folder of folders) await t.test(basename(folder), (sub) => checkSpeech(sub, folder))
    await t.test(
      'saved again, all load in transformers with no key unexpected, or missing but of a head',
      () =>
        checkSaved(
          folders.filter((folder) => !/melhubert/.test(folder)),
          join(out, 'saved'),
        ),
    )
  })
}

async function checkSaved(folders, out) {
  const lost = new Map() // tensors of heads that we do not read
  for (const folder of folders)
    lost.set(basename(folder), await saveAgain(folder, join(out, basename(folder))))
  const loaded = await reference(['load_encoders', out])
  assert.deepEqual(Object.keys(loaded).sort(), [...lost.keys()].sort())
  for (const [name, { missing_keys, unexpected_keys, mismatched_keys }] of Object.entries(loaded)) {
    assert.deepEqual([unexpected_keys, mismatched_keys], [[], []], name)
    assert.deepEqual(missing_keys, lost.get(name), name)
  }
}

async function saveAgain(folder, saved) {
  await mkdir(saved, { recursive: true })
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'))
  const load = { folder, spec: modelSpec(config), dtype: 'float32', threads: 1 }
  const lost = []
  const model = await runJob('loadModel', load, { onItem: ({ unread }) => lost.push(...unread) })
  try {
    await runJob('saveModel', { model, folder: saved, dtype: 'float32', max_shard_bytes: 5e9 })
  } finally {
    native().dispose(model)
  }
  await cp(join(folder, 'config.json'), join(saved, 'config.json'))
  return lost.sort()
}
