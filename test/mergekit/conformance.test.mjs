// Our merge against mergekit's own, live: names, shapes, dtypes, values within the tolerance of each case, config.json,
// templates. What both refuse; what differs by design is printed at the end.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { graft, merge } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import {
  CASES,
  DIVERGENCES,
  lacksMethod,
  ourConfig,
  runMergekit,
  writeModelsOf,
} from '../helpers/merge_cases.mjs'
import { compareGraft, keptMagnitudes, mergeCase, nonconformities } from '../helpers/merge_conformance.mjs'
import { SIZES } from '../helpers/merge_models.mjs'
import { readResult } from '../helpers/merge_results.mjs'
import { startMergekit } from '../helpers/mergekit.mjs'

const size = SIZES.live
const settings = { compat: 'mergekit' }

describe('merge against mergekit, live', () => {
  const root = temporaryFolder()
  const outOf = ({ name }) => join(root, 'ours', name)
  let mergekit
  before(() => {
    mergekit = startMergekit()
  })
  after(() => mergekit.end())

  for (const item of CASES.filter(({ fails }) => !fails)) {
    test(`${item.name}: ${item.tolerance}`, async (t) => {
      const { code, log, out } = await runMergekit(mergekit, item, root, size)
      if (lacksMethod(log)) return t.skip('this release of mergekit has no such method')
      assert.equal(code, 0, log)
      const received = await mergeCase(merge, item, { root, size, out: outOf(item), settings })
      assert.deepEqual(nonconformities(item, received, readResult(out)), [])
    })
  }

  for (const item of CASES.filter(({ fails }) => fails)) {
    test(`${item.name}: both refuse it, and ours leaves nothing`, async () => {
      const { code } = await runMergekit(mergekit, item, root, size)
      assert.notEqual(code, 0)
      writeModelsOf(item, root, size)
      await assert.rejects(
        merge({ ...ourConfig(item, root), ...settings }, { out: outOf(item) }),
        /Expected|expected/,
      )
      assert.ok(!existsSync(outOf(item)))
    })
  }

  test('of equal magnitudes at the threshold ties may keep others, but as many and as large ones', async () => {
    const item = CASES.find(({ name }) => name === 'ties_of_one_in_bfloat16')
    const { out } = await runMergekit(mergekit, item, root, size)
    const received = await mergeCase(merge, item, { root, size, out: join(root, 'kept'), settings })
    const inputs = ['origin_bf16', 'a_bf16'].map((name) => readResult(join(root, name)))
    assert.deepEqual(keptMagnitudes(received, ...inputs), keptMagnitudes(readResult(out), ...inputs))
  })

  test("graft is mergekit's recipe of a chat vector, and nearer to the exact sum where the two round apart", async () => {
    const recipe = CASES.find(({ name }) => name === 'chat_vector_recipe')
    const { out: theirs } = await runMergekit(mergekit, recipe, root, size)
    const out = join(root, 'graft')
    const { elements, other, farther } = await compareGraft(graft, readResult(theirs), { root, size, out })
    assert.ok(other.length <= elements / 1000, `${other.length} of ${elements}: ${other}`)
    assert.deepEqual(farther, [])
  })

  test('what differs by design', (t) => {
    for (const [name, { merge: what, mergekit: theirs, ours, compat }] of Object.entries(DIVERGENCES))
      t.diagnostic(
        `${name}: ${what}. mergekit: ${theirs}. ours: ${ours}${compat ? ' (compat: as mergekit)' : ''}.`,
      )
  })
})
