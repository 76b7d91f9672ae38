// Quantised folders as compressed-tensors and transformers read them, in their own environment.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, loadModel } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { quantizeReference } from '../helpers/reference.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'

const CASES = {
  'four bits in groups': { stage: { group: 8 } },
  'four bits in groups with zero points, by GPTQ': { stage: { group: 16, symmetric: false, gptq: true } },
  'four bits by output, of pruned weights': {
    stage: { group: 0 },
    first: { method: 'prune', sparsity: 0.5 },
  },
  'eight bits by output': { stage: { bits: 8 } },
  'eight bits by output with zero points': { stage: { bits: 8, symmetric: false } },
  'four bits, but one kind of layer, in bfloat16': {
    stage: { group: 8, exclude: ['o_proj', 'layers.1.mlp.up_proj'] },
    dtype: 'bfloat16',
  },
  'eight bits with zero points in groups, in bfloat16': {
    stage: { bits: 8, group: 8, symmetric: false, gptq: true },
    dtype: 'bfloat16',
  },
}

const ROWS = [Array.from({ length: 20 }, (_, i) => (7 * i * i + 3 * i + 5) % 40)]

describe('quantised models', () => {
  const root = temporaryFolder()
  const ours = {}
  let told
  before(async () => {
    const given = await tinyCompression(join(root, 'inputs'))
    for (const [i, { stage, first, dtype = 'float32' }] of Object.values(CASES).entries()) {
      const stages = [...(first ? [first] : []), { method: 'quantize', ...stage }]
      const config = { ...given, out: join(root, `run-${i}`), dtype, stages }
      ours[i] = (await compress(config).result).model
    }
    told = await quantizeReference({ folders: Object.values(ours), rows: ROWS, out: root })
  })

  for (const [i, [name, { dtype = 'float32', stage }]] of Object.entries(CASES).entries()) {
    // It divides in the dtype of the scales: 8 bits of mantissa do not bring 8 bits back.
    if (dtype === 'float32' || stage.bits !== 8)
      test(`${name}: the package unpacks our numbers and packs them to the same bytes`, () => {
        assert.equal(told[i].packed_again, true)
      })

    test(`${name}: transformers' logits are ours`, async () => {
      const theirs = readArrays(join(root, `${i}.safetensors`)).logits
      const model = await loadModel(ours[i], { dtype, threads: 1 })
      const { data } = await model.logits(ROWS)
      await model.dispose()
      const largest = Math.max(...theirs.data.map(Math.abs))
      const apart = Math.max(...data.map((value, j) => Math.abs(value - theirs.data[j])))
      assert.ok(apart <= (dtype === 'float32' ? 1e-5 : 2e-2) * largest, `${apart} apart, of ${largest}`)
    })
  }
})
