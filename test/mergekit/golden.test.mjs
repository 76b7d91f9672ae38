// The stored results of test/golden/mergekit are what mergekit says today.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { CASES, lacksMethod, readGolden, runMergekit } from '../helpers/merge_cases.mjs'
import { differences } from '../helpers/merge_comparison.mjs'
import { SIZES } from '../helpers/merge_models.mjs'
import { readResult } from '../helpers/merge_results.mjs'
import { startMergekit } from '../helpers/mergekit.mjs'

describe('mergekit gives its golden results again', () => {
  const root = temporaryFolder()
  let mergekit
  before(() => {
    mergekit = startMergekit()
  })
  after(() => mergekit.end())

  for (const item of CASES) {
    test(item.name, async (t) => {
      const golden = readGolden(item)
      const { code, log, out } = await runMergekit(mergekit, item, root, SIZES.golden)
      if (lacksMethod(log)) return t.skip('this release of mergekit has no such method')
      assert.equal(code !== 0, golden.refused ?? false, log)
      if (golden.refused) return
      const result = readResult(out)
      assert.deepEqual(differences(result, golden, item.tolerance), [])
      assert.deepEqual(result.config, golden.config)
      assert.equal(result.template, golden.template)
    })
  }
})
