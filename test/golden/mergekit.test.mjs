// Our merges against the golden results of mergekit (test/golden/mergekit/make_golden.mjs), and those results against
// the table of cases they belong to. test/mergekit/conformance.test.mjs does the same live, on wider models.
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { graft, merge } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { roundedBits } from '../helpers/half_precision.mjs'
import {
  CASES,
  DIVERGENCES,
  diverges,
  GOLDEN_FOLDER,
  ourConfig,
  readGolden,
  writeModelsOf,
} from '../helpers/merge_cases.mjs'
import { differences } from '../helpers/merge_comparison.mjs'
import {
  compareGraft,
  farElements,
  isComparable,
  keptMagnitudes,
  mergeCase,
  nonconformities,
  trueConfig,
} from '../helpers/merge_conformance.mjs'
import { SIZES } from '../helpers/merge_models.mjs'
import { readResult } from '../helpers/merge_results.mjs'
import { numbersOf } from '../helpers/safetensors.mjs'

const size = SIZES.golden
const caseOf = (name) => CASES.find((item) => item.name === name)

describe('golden results of mergekit', () => {
  const root = temporaryFolder()

  test('every case that is merged has one, and none is left over', () => {
    const stored = readdirSync(GOLDEN_FOLDER).filter((file) => file.endsWith('.safetensors'))
    const merged = CASES.filter(({ fails }) => !fails).map(({ name }) => `${name}.safetensors`)
    assert.deepEqual(stored.sort(), merged.sort())
  })

  test('every divergence that a case names is described', () => {
    for (const { name, divergence } of CASES)
      for (const key of [divergence ?? []].flat()) assert.ok(key in DIVERGENCES, `${name}: ${key}`)
  })

  test('their config.json fits their tensors, but where a divergence says that it does not', () => {
    for (const item of CASES.filter(({ fails }) => !fails)) {
      const golden = readGolden(item)
      const fits =
        JSON.stringify(golden.config) === JSON.stringify({ ...golden.config, ...trueConfig(golden) })
      assert.equal(fits, !diverges(item, 'tie_flag') && !diverges(item, 'config_rows'), item.name)
    }
  })

  test('a copied model is the model in each dtype, so the inputs made here are those that mergekit read', () => {
    writeModelsOf(caseOf('passthrough.float32'), root, size)
    const model = readResult(join(root, 'a'))
    assert.deepEqual(differences(model, readGolden(caseOf('passthrough.float32')), 'exact'), [])
    for (const [name, dtype] of [
      ['bfloat16', 'BF16'],
      ['float16', 'F16'],
    ]) {
      for (const [tensor, { bytes }] of Object.entries(readGolden(caseOf(`passthrough.${name}`)).tensors)) {
        const rounded = numbersOf(model.tensors[tensor]).map((value) => roundedBits(value, dtype))
        assert.deepEqual([...new Uint16Array(bytes.buffer)], [...rounded], `${name} ${tensor}`)
      }
    }
  })

  test('mergekit itself gives the same bytes where a case says so', () => {
    for (const item of CASES.filter(({ same_as }) => same_as))
      assert.deepEqual(
        differences(readGolden(item), readGolden(caseOf(item.same_as)), 'exact'),
        [],
        item.name,
      )
  })

  test("graft is mergekit's recipe of a chat vector, and nearer to the exact sum where the two round apart", async () => {
    const expected = readGolden(caseOf('chat_vector_recipe'))
    const { elements, other, farther } = await compareGraft(graft, expected, {
      root,
      size,
      out: join(root, 'graft'),
    })
    assert.ok(other.length <= elements / 1000, `${other.length} of ${elements}: ${other}`)
    assert.deepEqual(farther, [])
  })
})

describe('merge with compat: mergekit gives the golden results', () => {
  const root = temporaryFolder()
  const settings = { compat: 'mergekit' }
  const outOf = ({ name }) => join(root, 'out', name)

  for (const item of CASES.filter(({ fails }) => !fails)) {
    test(`${item.name}: ${item.tolerance}`, async () => {
      const received = await mergeCase(merge, item, { root, size, out: outOf(item), settings })
      assert.deepEqual(nonconformities(item, received, readGolden(item)), [])
    })
  }

  for (const item of CASES.filter(({ fails }) => fails)) {
    test(`${item.name}: refused, and nothing is left`, async () => {
      writeModelsOf(item, root, size)
      const refused = merge({ ...ourConfig(item, root), ...settings }, { out: outOf(item) })
      await assert.rejects(
        refused,
        ({ code, message }) => code.startsWith('ERR_') && /expected/i.test(message),
      )
      assert.ok(!existsSync(outOf(item)))
    })
  }

  test('of equal magnitudes at the threshold ties may keep others, but as many and as large ones', async () => {
    const item = caseOf('ties_of_one_in_bfloat16')
    const received = await mergeCase(merge, item, { root, size, out: join(root, 'kept'), settings })
    const inputs = ['origin_bf16', 'a_bf16'].map((name) => readResult(join(root, name)))
    assert.deepEqual(keptMagnitudes(received, ...inputs), keptMagnitudes(readGolden(item), ...inputs))
  })
})

describe('merge in its own numerics stays near mergekit: 1e-5 of the largest value, 4 ulps of it in 16 bits', () => {
  const root = temporaryFolder()
  for (const item of CASES.filter(isComparable)) {
    test(item.name, async () => {
      const received = await mergeCase(merge, item, { root, size, out: join(root, 'out', item.name) })
      assert.deepEqual(farElements(item, received, readGolden(item)), [])
    })
  }
})
