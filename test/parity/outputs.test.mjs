// Every model folder that we write loads in transformers, whole, and computes there what it computes here.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, graft, loadModel } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { reference } from '../helpers/reference.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

describe('folders that we write, in transformers', () => {
  const root = temporaryFolder({
    'corpus.txt': 'the color of anna is red .\n\nthe color of boris is blue .\n',
  })
  const model = join(root, 'model')
  const config = (name, start) => ({
    model: start,
    out: join(root, name),
    data: [{ path: join(root, 'corpus.txt') }],
    sequence_length: 32,
    steps: 3,
    threads: 1,
  })

  before(() => writeTinyModel(model))

  test('the result of training', async () => {
    const { model: trained } = await train(config('run', model)).result
    await assertLoads(trained)
  })

  test('the result of a graft, with the chat model’s end of turn', async () => {
    const chat = await writeTinyModel(join(root, 'chat'), { seed: 2 })
    writeFileSync(join(chat, 'generation_config.json'), JSON.stringify({ eos_token_id: [4, 0] }))
    const { out } = await graft({ target: model, base: model, chat, out: join(root, 'graft') })
    await assertLoads(out)
  })

  /** A line a kind of stage whose result other loaders take. */
  const COMPRESSED = {
    'heads and rows removed': [
      { method: 'heads', keep: 2 },
      { method: 'rows', keep: 48 },
    ],
    'a layer removed': [{ method: 'layers', keep: 1 }],
    'all of it, in steps': [
      { method: 'heads', keep: 2, steps: 2, recover: { steps: 2, sequence_length: 32 } },
      { method: 'rows', remove: 0.5, scope: 'global', uniform: true },
      { method: 'prune', criterion: 'wanda', sparsity: 0.5 },
    ],
    'weights pruned': [{ method: 'prune', sparsity: 0.5 }],
    'layers factored and multiplied back': [{ method: 'lowrank', ratio: 0.5, dense: true }],
    'weights pruned and trained': [
      { method: 'prune', criterion: 'sparsegpt', pattern: '2:4' },
      { method: 'recover', steps: 2, sequence_length: 32 },
    ],
  }
  for (const [name, stages] of Object.entries(COMPRESSED)) {
    test(`the result of compression: ${name}`, async () => {
      const data = [{ path: join(root, 'corpus.txt') }]
      const calibration = { data, samples: 4, sequence_length: 32 }
      const recovery = { data }
      const out = join(root, name)
      const run = compress({ model, out, calibration, recovery, stages, threads: 1 }, { onWarning: () => {} })
      const { model: small, report } = await run.result
      assert.equal(report.loads_in, 'transformers')
      await assertLoads(small)
    })
  }

  dataTest('stories260K after some steps', 'models/stories260K_hf', async (_t, stories) => {
    const { model: trained } = await train(config('stories', stories)).result
    await assertLoads(trained)
  })

  async function assertLoads(folder) {
    const loaded = await reference(['load', folder])
    assert.deepEqual(loaded.missing_keys, [])
    assert.deepEqual(loaded.unexpected_keys, [])
    assert.ok(loaded.tokenizer, 'the tokenizer loads too')

    const ids = [[1, 5, 9, 12, 7]]
    const expected = (await reference(['logits', folder, '-'], ids)).data
    const ours = await loadModel(folder, { threads: 1 })
    const { data } = await ours.logits(ids)
    await ours.dispose()
    const largest = Math.max(...expected.map(Math.abs))
    data.forEach((value, i) => {
      assert.ok(Math.abs(value - expected[i]) <= 1e-5 * largest, `logit ${i}: ${value} and ${expected[i]}`)
    })
  }
})
