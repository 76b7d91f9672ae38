// E1, InsCP against plain CP of a chat model: node bench/papers/inscp.mjs [--seeds 5,6,7] [--out FOLDER]
import { RECIPES } from '#lib/world/recipe'
import { readArguments } from './arguments.mjs'
import { Lab } from './lab.mjs'
import { report } from './results.mjs'

const { seeds, out } = readArguments()

await report('inscp', seeds, async (seed) => {
  const lab = await Lab.open(out, seed)
  await lab.train('org_cp', RECIPES.org_cp)
  await lab.train('ins_cp', RECIPES.ins_cp)
  await lab.train('ins_cp_assistant', RECIPES.ins_cp, { inscp: { loss: 'assistant' } })
  const rows = {}
  for (const arm of ['chat', 'org_cp', 'ins_cp', 'ins_cp_assistant']) rows[arm] = await lab.ask(arm)
  return rows
})
