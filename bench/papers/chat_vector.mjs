// E3, the chat vector: node bench/papers/chat_vector.mjs [--seeds 5,6,7] [--out FOLDER]
// CP of the base, alone and fine-tuned on 64 pairs in B, each with scale * (chat - base) added.
import { RECIPES } from '#lib/world/recipe'
import { readArguments } from './arguments.mjs'
import { pairs } from './corpora.mjs'
import { Lab } from './lab.mjs'
import { report } from './results.mjs'

const SCALES = [0.25, 0.5, 0.75, 1, 1.25]
const PAIRS = 64
/** The pairs fill eight to nine rows: 20 updates read each of them about 23 times. */
const FINE_TUNING = { ...RECIPES.chat, from: 'cp', data: 'pairs_b.jsonl', steps: 20 }

const { seeds, out } = readArguments()

await report('chat_vector', seeds, async (seed) => {
  const lab = await Lab.open(out, seed)
  lab.data(FINE_TUNING.data, () => pairs(lab.world, PAIRS))
  await lab.train('cp', RECIPES.cp)
  await lab.train('cp_ft', FINE_TUNING)
  await lab.train('org_cp', RECIPES.org_cp)
  const arms = ['chat', 'org_cp']
  for (const target of ['cp', 'cp_ft']) {
    arms.push(target)
    for (const scale of SCALES) {
      await lab.graft(`${target}_vector_${scale}`, target, scale)
      arms.push(`${target}_vector_${scale}`)
    }
  }
  const rows = {}
  for (const arm of arms) rows[arm] = await lab.ask(arm)
  return rows
})
