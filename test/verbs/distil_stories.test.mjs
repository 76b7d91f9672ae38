// What a teacher adds on a real small model: of stories260K three blocks of five learn from stories that it tells, once from
// the tokens alone and once from what the whole model says of them as well.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'

const BEGINNING = 'Once upon a time'
const [TAUGHT, HELD_OUT] = [48, 12]

async function tell(folder, count) {
  const model = await loadModel(folder, { dtype: 'float32', threads: 1 })
  const stories = []
  for (let seed = 0; seed < count; seed++) {
    let story = BEGINNING
    const options = { maxNewTokens: 160, temperature: 1, seed }
    for await (const { text } of model.generate(BEGINNING, options)) story += text
    stories.push(story.replaceAll(/\s*\n\s*/g, ' '))
  }
  await model.dispose()
  return stories
}

dataTest(
  'half of stories260K knows held-out stories better with its teacher than without, after as many updates',
  'models/stories260K_hf',
  async (t, teacher) => {
    const root = temporaryFolder()
    const stories = await tell(teacher, TAUGHT + HELD_OUT)
    const write = (name, texts) => writeFileSync(join(root, name), texts.join('\n\n'))
    write('taught.txt', stories.slice(0, TAUGHT))
    write('held_out.txt', stories.slice(TAUGHT))
    const heldOut = async (seed, alpha) => {
      const out = join(root, `${seed}-${alpha}`)
      await train({
        ...{ objective: 'distil', teacher, student: { every: 2 }, distil: { alpha }, out, seed, threads: 1 },
        ...{ data: [{ path: join(root, 'taught.txt') }], data_cache: join(root, 'cache') },
        eval: { every: 40, data: [{ path: join(root, 'held_out.txt') }] },
        ...{ sequence_length: 128, batch_size: 4, steps: 40, checkpoint: { every: 0 } },
        ...{ optimizer: { lr: 1e-3, weight_decay: 0 }, schedule: { warmup: 5, min_lr: 1e-4 } },
      }).result
      const last = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n').at(-1)
      return JSON.parse(last).eval_nll
    }
    for (const seed of [1, 2, 3]) {
      const [alone, taught] = [await heldOut(seed, 0), await heldOut(seed, 1)]
      t.diagnostic(
        `seed ${seed}: held-out nll ${alone.toFixed(4)} alone, ${taught.toFixed(4)} with the teacher`,
      )
      assert.ok(taught < alone, `seed ${seed}: ${taught} with the teacher, ${alone} without`)
    }
  },
)
