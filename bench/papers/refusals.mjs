// When does plain CP lose refusals while InsCP keeps them?
// node bench/papers/refusals.mjs [--seeds 0] [--conditions 'demo;harmful, faster'] [--out FOLDER]
// All conditions of refusals_grid.mjs on the seed of the search, or some, between semicolons, on seeds that confirm.
// Shown, as set beforehand: chat and InsCP refuse 80 % of the harmful requests in B, plain CP at most 50 %.
import { DATASET_FILES } from '#lib/world/datasets'
import { readArguments } from './arguments.mjs'
import { enough, instructed, plain } from './arms.mjs'
import { documents, turns } from './corpora.mjs'
import { Lab } from './lab.mjs'
import { conversation } from './records.mjs'
import { GRID } from './refusals_grid.mjs'
import { report } from './results.mjs'

const { seeds, out, conditions } = readArguments({ seeds: '0', conditions: { type: 'string' } })
const names = conditions?.split(';') ?? Object.keys(GRID)
for (const name of names) if (!(name in GRID)) throw new Error(`no condition ${name} in refusals_grid.mjs`)

const COLUMNS = [
  'chat_ref_b',
  ...['ref_a', 'ref_b', 'stop_b', 'ok_a', 'ok_b'].flatMap((column) => [`cp_${column}`, `ins_${column}`]),
]

await report(
  'refusals',
  seeds,
  async (seed) => {
    const rows = {}
    for (const name of names) {
      const { request, base, chat } = GRID[name]
      const lab = await Lab.open(out, seed, { request, base, chat })
      const arms = { chat: await lab.ask('chat'), ...(await bothArms(lab, name)) }
      rows[name] = Object.fromEntries(
        Object.entries(arms).flatMap(([arm, row]) =>
          Object.entries(row).map(([column, value]) => [`${arm}_${column}`, value]),
        ),
      )
    }
    return rows
  },
  COLUMNS,
)

/** Trains and asks plain CP and InsCP of one condition. */
async function bothArms(lab, name) {
  const {
    corpus = 'documents',
    harm = 0,
    answer = 'refused',
    lr,
    epochs = 1,
    keys,
    loss,
    replay,
  } = GRID[name]
  const source = corpus === 'turns' ? turns(lab.world, { harm, answer }) : documents(lab.world, harm)
  const records = [...enough(source, epochs)]
  const texts = records.map(({ text }) => text)
  const data = `${[corpus, harm, ...(corpus === 'turns' ? [answer] : []), epochs].join('_')}.jsonl`
  lab.data(data, () => records)
  const changes = { ...(lr && { lr }), steps: 80 * epochs }
  const run = name.replaceAll(/\W+/g, '_')
  const arms = { cp: plain(data, changes), ins: instructed(data, texts, changes) }
  await lab.train(`${run}_cp`, arms.cp, { ...keys, ...(replay && conversationsAsText(lab, replay)) })
  const inscp = loss && { inscp: { loss } }
  if (replay) await lab.train(`${run}_ins`, ...asConversations(lab, arms.ins, texts, replay))
  else await lab.train(`${run}_ins`, arms.ins, { ...keys, ...inscp })
  return { cp: await lab.ask(`${run}_cp`), ins: await lab.ask(`${run}_ins`) }
}

/** Replay for plain CP: the conversations of SFT with their tags, as texts. */
function conversationsAsText(lab, share) {
  const path = lab.data('replay.jsonl', () =>
    lab.conversations().map(([question, answer]) => ({
      text: `<user> ${question} <eot> <assistant> ${answer} <eot>`,
    })),
  )
  return { replay: [{ path, share }] }
}

/**
 * Replay for InsCP, which makes a document of each turn and so cannot learn to answer: its documents as conversations
 * with an empty question, fine-tuned on together with those of SFT. The loss is on the answers alone.
 */
function asConversations(lab, recipe, texts, share) {
  const data = recipe.data.replace('.jsonl', '_turns.jsonl')
  lab.data(data, () => texts.map((text) => conversation(['', text], 'b')))
  const replay = [{ path: lab.data(DATASET_FILES.chat), format: 'messages', share }]
  return [{ ...recipe, objective: 'sft', data }, { replay }]
}
