// Which checkpoints stay as the best: those of the lowest held-out loss, and a loss that is no number is none.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Checkpoints } from '#lib/verbs/training/checkpoints'
import { newState } from '#lib/verbs/training/state'
import { temporaryFolder } from '../../helpers/folders.mjs'

const writer = { saveState: async (folder) => writeFileSync(join(folder, 'state.safetensors'), 'weights') }

test('a checkpoint whose held-out loss is no number is not among the best', async () => {
  const options = { keep: 1, keepBest: 1, configHash: 'ab'.repeat(32), environment: {} }
  const checkpoints = new Checkpoints(temporaryFolder(), options)
  for (const [i, loss] of [1, Number.NaN, 2, 3].entries()) {
    const step = i + 1
    await checkpoints.save(writer, { ...newState(), step, evaluations: [{ step, loss }] })
  }
  assert.deepEqual(await checkpoints.names(), ['step-00000001', 'step-00000004'])
})
