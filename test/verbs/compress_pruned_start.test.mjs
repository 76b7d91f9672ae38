// A pipeline whose model was pruned before it: its trainings keep those zeros, and let zeros of chance learn.
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { numbersOf, readTensors, writeTensors } from '../helpers/safetensors.mjs'
import { lastingFiles, sameButFor, tinyCompression } from '../helpers/tiny_compression.mjs'

describe('a model that was pruned before', () => {
  const root = temporaryFolder()
  let given
  let pruned
  const run = async (name, changes, options) => {
    const config = { ...given, evaluate: undefined, out: join(root, name), ...changes }
    return compress(config, options).result
  }
  const zerosOf = ({ report }) => report.stages.map(({ zeros }) => zeros)
  const training = { method: 'recover', steps: 3 }

  before(async () => {
    given = await tinyCompression(join(root, 'inputs'))
    pruned = await run('pruned', { stages: [{ method: 'prune', sparsity: 0.5 }] })
  })

  test('keeps its zeros through a training, alone, resumed, and after other stages', async () => {
    const [, zeros] = zerosOf(pruned)
    const { model } = pruned
    const alone = await run('alone', { model, stages: [training] })
    assert.deepEqual(zerosOf(alone), [zeros, zeros])
    const begun = { model, stages: [{ method: 'rows', criterion: 'l1', keep: 64 }, training] }
    const whole = await run('whole', begun)
    const [, left, trained] = zerosOf(whole)
    assert.ok(left > 0 && left < zeros)
    assert.equal(trained, left)
    await run('parts', { ...begun, stages: begun.stages.slice(0, 1) })
    const parts = await run('parts', begun, { resume: true })
    sameButFor(lastingFiles(parts.model), lastingFiles(whole.model), [
      join(root, 'parts'),
      join(root, 'whole'),
    ])
  })

  test('lets them learn where the config says so', async () => {
    const { model } = pruned
    const [, zeros] = zerosOf(await run('free', { model, stages: [{ ...training, keep_zeros: false }] }))
    assert.equal(zeros, 0)
  })

  test('a trace of zeros is no pruning', async () => {
    const model = join(root, 'trace')
    cpSync(given.model, model, { recursive: true })
    const file = join(model, 'model.safetensors')
    const tensors = readTensors(file)
    const name = 'model.layers.0.mlp.up_proj.weight'
    tensors[name].bytes.fill(0, 0, 4 * 20)
    assert.ok(
      numbersOf(tensors[name])
        .slice(0, 20)
        .every((value) => value === 0),
    )
    writeTensors(
      file,
      Object.entries(tensors).map(([name, tensor]) => ({ name, ...tensor })),
    )
    assert.deepEqual(zerosOf(await run('traced', { model, stages: [training] })), [20, 0])
  })
})
