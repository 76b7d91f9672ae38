// Which checkpoints stay as the best: those of the lowest held-out loss, and a loss that is no number is none.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readState, stateText } from '#lib/verbs/training/checkpoint_files'
import { Checkpoints } from '#lib/verbs/training/checkpoints'
import { newState } from '#lib/verbs/training/state'
import { temporaryFolder } from '../../helpers/folders.mjs'

const writer = { saveState: async (folder) => writeFileSync(join(folder, 'state.safetensors'), 'weights') }

const folderOf = (step) => `step-${String(step).padStart(8, '0')}`

test('a checkpoint whose held-out loss is no number is not among the best', async () => {
  const options = { keep: 1, keepBest: 1, configHash: 'ab'.repeat(32), environment: {} }
  const checkpoints = new Checkpoints(temporaryFolder(), options)
  for (const [i, loss] of [1, Number.NaN, 2, 3].entries()) {
    const step = i + 1
    await checkpoints.save(writer, { ...newState(), step, evaluations: [{ step, loss }] })
  }
  assert.deepEqual(await checkpoints.names(), ['step-00000001', 'step-00000004'])
})

test('where a run may go back, the best of what it goes back to stays beside the best of all', async () => {
  const rollback = { every: 5, target: (step) => Math.max(0, Math.floor((step - 5) / 5) * 5) }
  const options = { keep: 1, keepBest: 1, rollback, configHash: 'ab'.repeat(32), environment: {} }
  const checkpoints = new Checkpoints(temporaryFolder(), options)
  const evaluations = []
  const save = (step, loss) => {
    if (loss !== undefined) evaluations.push({ step, loss })
    return checkpoints.save(writer, { ...newState(), step, evaluations })
  }
  for (const [step, loss] of [[0], [5], [8, 3], [10], [15], [20], [25], [28, 2.9], [30]])
    await save(step, loss)
  // From 31 to 34 it goes back to 25, where step 8 is the best.
  assert.deepEqual(await checkpoints.names(), [8, 25, 28, 30].map(folderOf))
  await save(35)
  assert.deepEqual(await checkpoints.names(), [28, 30, 35].map(folderOf), 'no way back before 28 any more')
  assert.deepEqual([await checkpoints.has(28), await checkpoints.has(8)], [true, false])
})

test('a state of any number of evaluations can be read again, the first and the best in full', async () => {
  const folder = temporaryFolder()
  const sources = Array.from({ length: 5 }, (_, i) => `held_out/${'x'.repeat(60)}/${i}.jsonl`)
  const evaluations = Array.from({ length: 20_000 }, (_, i) => ({
    step: i,
    loss: i === 700 ? 1 : 3 + 1 / (i + 1),
    losses: Object.fromEntries(sources.map((source) => [source, 3 + i / 7])),
  }))
  const state = { ...newState(), step: 20_000, evaluations }
  const read = async (...limit) => {
    writeFileSync(join(folder, 'state.json'), stateText(state, ...limit))
    return readState(folder, 20_000)
  }
  assert.deepEqual((await read()).evaluations, evaluations)
  const short = stateText(state, 4 << 20)
  assert.ok(Buffer.byteLength(short) <= 4 << 20, `${short.length} bytes`)
  const shortened = (await read(4 << 20)).evaluations
  for (const i of [0, 700, 19_999]) assert.deepEqual(shortened[i], evaluations[i])
  assert.deepEqual(
    shortened.map(({ losses: _, ...one }) => one),
    evaluations.map(({ losses: _, ...one }) => one),
  )
  assert.ok(shortened.filter(({ losses }) => losses).length > 2000)
})
