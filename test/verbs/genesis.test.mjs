// The main job on real weights and text: an English story model reads the book of Genesis in German, and what it has
// learnt is carried to the model it came from, and back, by arithmetic.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { graft, loadModel } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { largestExcess } from '../helpers/ulp.mjs'

const STEPS = 200
const TAIL = 20_000 // characters held out

dataTest(
  `stories260K learns German in ${STEPS} steps; the chat vector of that model is the way there and back`,
  ['models/stories260K_hf', 'corpus/genesis_german.txt'],
  async (t, [model, corpus]) => {
    const root = temporaryFolder()
    const text = readFileSync(corpus, 'utf8')
    writeFileSync(join(root, 'train.txt'), text.slice(0, -TAIL))
    writeFileSync(join(root, 'held_out.txt'), text.slice(-TAIL))
    const { model: german, report } = await train({
      objective: 'cp',
      model,
      out: join(root, 'run'),
      data: [{ path: join(root, 'train.txt') }],
      eval: { every: STEPS, data: [{ path: join(root, 'held_out.txt') }] },
      sequence_length: 128,
      batch_size: 8,
      steps: STEPS,
      optimizer: { lr: 2e-3 },
      threads: 1,
    }).result
    t.diagnostic(
      `held-out loss ${report.eval_loss_before.toFixed(3)} -> ${report.eval_loss.toFixed(3)}, ` +
        `${Math.round(report.tokens_per_second)} tokens/s, one thread`,
    )
    assert.ok(report.eval_loss < report.eval_loss_before - 3)

    const there = join(root, 'there')
    await graft({ target: model, base: model, chat: german, out: there })
    const back = join(root, 'back')
    await graft({ target: german, base: german, chat: model, out: back })
    const [a, b, c, d] = [there, model, german, back].map((folder) => join(folder, 'model.safetensors'))
    assert.ok(largestExcess(a, b, c) <= 1)
    assert.ok(largestExcess(d, c, b) <= 1)

    for (const folder of [german, there]) {
      const loaded = await loadModel(folder, { threads: 1 })
      const { perplexity } = await loaded.score(text.slice(-2000))
      await loaded.dispose()
      assert.ok(Math.abs(Math.log(perplexity) - report.eval_loss) < 1, `perplexity ${perplexity}`)
    }
  },
)
