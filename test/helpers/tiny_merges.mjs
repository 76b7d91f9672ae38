// Merges of five tiny random models: what the tests of `merge` share.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel, merge } from 'tongueforge'
import { temporaryFolder } from './folders.mjs'
import { readArrays } from './safetensors.mjs'
import { writeTinyModel } from './tiny_model.mjs'

export const weights = (folder) => readFileSync(join(folder, 'model.safetensors'))
export const arrays = (folder) => readArrays(join(folder, 'model.safetensors'))
export const json = (folder, name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))

export const linear = (models, more) => ({
  merge_method: 'linear',
  models,
  parameters: { weight: 1 },
  ...more,
})

/** A model folder loads, and what it computes is finite. */
export async function runs(folder) {
  const model = await loadModel(folder, { threads: 1 })
  const { data } = await model.logits([[1, 2, 3]])
  await model.dispose()
  assert.ok(Array.from(data).every(Number.isFinite))
}

/**
 * Writes the models `a`, `b` and `c` of four layers, `tied` with a tied head, and `deep` of five layers into `root`, a
 * folder of the test file's own. `out()` is a new place each time, `run` merges to one, `refuses` sees that nothing
 * appears there.
 */
export async function tinyMerges() {
  const root = temporaryFolder()
  const [a, b, c, tied, deep] = ['a', 'b', 'c', 'tied', 'deep'].map((name) => join(root, name))
  for (const [i, folder] of [a, b, c].entries()) await writeTinyModel(folder, { seed: i + 1, layers: 4 })
  await writeTinyModel(tied, { seed: 4, layers: 4, tied: true })
  await writeTinyModel(deep, { seed: 5, layers: 5 })
  let made = 0
  const out = () => join(root, `out-${made++}`)
  const run = (config, options) => merge(config, { out: out(), ...options })
  const refuses = async (config, expected) => {
    const place = out()
    await assert.rejects(merge(config, { out: place }), expected)
    assert.ok(!existsSync(place))
  }
  return { root, a, b, c, tied, deep, out, run, refuses }
}
