// Adafactor with random settings on random models, live against transformers. TONGUEFORGE_PARITY_SEED repeats a run.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Random } from '#lib/text/random'
import { reference } from '../helpers/reference.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { checkAdafactor } from '../helpers/training_parity.mjs'

const first = Number(process.env.TONGUEFORGE_PARITY_SEED ?? Math.floor(Math.random() * 1e6))

for (const [i, name] of ['llama_tied_gqa', 'qwen2', 'qwen3_tied'].entries()) {
  const seed = first + i
  test(`${name}: ten steps of Adafactor are those of transformers (TONGUEFORGE_PARITY_SEED=${first})`, async (t) => {
    const out = await mkdtemp(join(tmpdir(), 'tongueforge-parity-'))
    t.after(() => rm(out, { recursive: true, force: true }))
    const folder = join(out, 'model')
    await reference(['random_model', name, seed, folder])
    const settings = randomSettings(seed)
    t.diagnostic(JSON.stringify(settings))
    const expected = join(out, 'expected.safetensors')
    await reference(['optimize', folder, join(folder, 'training.safetensors'), expected], settings)
    await checkAdafactor(folder, settings, readArrays(expected))
  })
}

function randomSettings(seed) {
  const random = new Random(seed)
  const uniform = (low, high) => low + ((high - low) * random.uint32()) / 2 ** 32
  return {
    beta1: uniform(0, 1) < 0.5 ? 0 : uniform(0.5, 0.95),
    eps: 10 ** uniform(-30, -10),
    decay_rate: uniform(0.4, 1),
    clip_threshold: uniform(0.3, 2),
    weight_decay: uniform(0, 0.1),
  }
}
