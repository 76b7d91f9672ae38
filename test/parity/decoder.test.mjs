// The golden checks, live: random models of every row of decoder_cases.py, new ones each time, made and answered by
// the installed transformers. TONGUEFORGE_PARITY_SEED repeats a run.
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { checkDecoder } from '../helpers/decoder_parity.mjs'
import { reference } from '../helpers/reference.mjs'
import { checkTraining } from '../helpers/training_parity.mjs'

const ROUNDS = 3
const first = Number(process.env.TONGUEFORGE_PARITY_SEED ?? Math.floor(Math.random() * 1e6))

for (let seed = first; seed < first + ROUNDS; seed++) {
  test(`random decoders answer as transformers does (TONGUEFORGE_PARITY_SEED=${seed})`, async (t) => {
    const out = await mkdtemp(join(tmpdir(), 'tongueforge-parity-'))
    t.after(() => rm(out, { recursive: true, force: true }))
    const { folders } = await reference(['random_model', 'all', seed, out])
    for (const folder of folders) await t.test(basename(folder), (sub) => checkFolder(sub, folder))
  })
}

async function checkFolder(t, folder) {
  await checkDecoder(t, folder)
  if (existsSync(join(folder, 'training.safetensors'))) await checkTraining(t, folder)
}
