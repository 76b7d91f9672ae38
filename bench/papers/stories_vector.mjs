// Real text: node bench/papers/stories_vector.mjs [--seeds 1,2,3] [--out FOLDER]
// The chat vector on stories260K: base = the model as it was published, chat = the same with chat tags and short manners
// (stories-chat), target = the base with 768 tokens of Korean, continually pre-trained on Korean. The target lacks the
// chat tags: the graft brings them. Its scale is swept in memory, the best one is written, measured and verified.
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { graft, sweep, verify } from 'tongueforge'
import { report } from './results.mjs'
import { MODEL } from './stories_korean.mjs'
import { asked, chatModel, corpus, extended, out, seeds, text, trained, write } from './stories_lab.mjs'
import { conversations } from './stories_pairs.mjs'

const KOREAN_TOKENS = 768
const CP = { objective: 'cp', steps: 120, batch_size: 8, sequence_length: 256, lr: 5e-4 }
const HELD_OUT_PAIRS = 100
const SCALES = { from: 0, to: 1.5, steps: 7 }
const COLUMNS = [
  'lid_en',
  'lid_ko',
  'stop_en',
  'stop_ko',
  'ok_en',
  'ref_en',
  'bits_en',
  'bits_ko',
  'bits_ko_turn',
]

const wide = await extended('korean', MODEL, { data: [corpus], tokens: KOREAN_TOKENS, minCount: 2 })
const korean = write(
  'held_out_korean.jsonl',
  text.heldOut.map((line) => ({ text: line })),
)

await report(
  'stories_vector',
  seeds,
  async (seed) => {
    const chat = await chatModel(seed)
    const target = await trained('cp-base', seed, { ...CP, model: wide, path: corpus })
    const pairs = write(`held-out-pairs-${seed}.jsonl`, conversations(1000 + seed, HELD_OUT_PAIRS))
    const models = { target, base: MODEL, chat }
    // With the chat tags and nothing else of the vector.
    const tagged = await grafted('tagged-cp', seed, models, 0)
    const curve = await swept(seed, models, { korean, pairs })
    const best = await grafted('cp-vector', seed, models, curve.best_scale)
    const { ok, chunks_checked } = await verify(best, { chunks: Number.POSITIVE_INFINITY })
    if (!ok) throw new Error(`${best} is not what its inputs make`)
    console.error(`seed ${seed}: best scale ${curve.best_scale}, ${chunks_checked} chunks verified`)
    for (const { scales, values } of curve.points)
      console.error(`  ${JSON.stringify(scales)}: ${JSON.stringify(values)}`)
    return {
      'scale 0': await asked(tagged, seed),
      'scale 1': await asked(await grafted('cp-vector-1', seed, models, 1), seed),
      best: await asked(best, seed),
    }
  },
  COLUMNS,
)

async function grafted(name, seed, models, scale) {
  const folder = join(out, `${name}-${seed}`)
  if (!existsSync(folder)) {
    const { vocabulary } = await graft({ ...models, scale, out: folder })
    const { rows, added_tokens } = vocabulary
    console.error(`seed ${seed}: ${name}: rows ${JSON.stringify(rows)}, added ${Object.keys(added_tokens)}`)
  }
  return folder
}

async function swept(seed, models, { korean, pairs }) {
  const run = join(out, `sweep-${seed}`)
  rmSync(run, { recursive: true, force: true })
  const objectives = [
    { name: 'korean', loss: 'text', data: [{ path: korean }] },
    { name: 'manners', loss: 'messages', data: [{ path: pairs }] },
  ]
  return sweep({ ...models, out: run, scales: SCALES, objectives, threads: 1 }).result
}
