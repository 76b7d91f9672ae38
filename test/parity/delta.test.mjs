// A delta file is read in Python by the page that describes it, with safetensors and numpy: the same errors, the same sums.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { applyDelta, extractDelta } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { deltaReference } from '../helpers/reference.mjs'
import { writeDescendant, writeTinyModel } from '../helpers/tiny_model.mjs'

const root = temporaryFolder()
const [base, chat, target] = ['base', 'chat', 'target'].map((name) => join(root, name))
const CASES = [
  { format: 'dense' },
  { format: 'topk', density: 0.07 },
  { format: 'lowrank', rank: 6 },
  { format: 'lowrank', energy: 0.7, factorDtype: 'bfloat16' },
  { format: 'int8', group: 24 },
  { format: 'int4' },
]

before(async () => {
  // A width that no group divides.
  await writeTinyModel(base, { seed: 1, width: 40 })
  await writeDescendant(base, chat, { seed: 2, size: 0.1 })
  await writeDescendant(base, target, { seed: 3, size: 0.3 })
})

for (const [i, settings] of CASES.entries()) {
  test(`${JSON.stringify(settings)}: Python decodes what was written, and applies it to the same weights`, async () => {
    const [delta, out] = [join(root, `delta-${i}`), join(root, `out-${i}`)]
    const { tensors } = await extractDelta({ base, chat, out: delta, ...settings })
    await applyDelta({ target, delta, scale: 0.7, out })
    const expected = await deltaReference([delta, base, chat, target, 0.7, out])
    assert.equal(Object.keys(expected.tensors).length, tensors.length)
    for (const { name, relative_error, elements } of tensors) {
      assert.equal(elements, expected.tensors[name].elements)
      assert.ok(Math.abs(relative_error - expected.tensors[name].relative_error) <= 1e-6, name)
    }
    assert.ok(expected.samples_equal)
    // Of factors the order of additions in double differs: now and then the last bit of a product.
    assert.ok(expected.outputs.max_ulps <= (settings.format === 'lowrank' ? 1 : 0))
  })
}
