// E2, which text InsCP should read: node bench/papers/data_rule.mjs [--seeds 5,6,7] [--out FOLDER]
// Instruction-like text in B against encyclopedic text of the same size, and quarters of the demo's text by perplexity
// under the chat model.
import { wordsOf } from '#lib/world/words'
import { readArguments } from './arguments.mjs'
import { enough, instructed } from './arms.mjs'
import { documents, encyclopedia, turns } from './corpora.mjs'
import { Lab, total } from './lab.mjs'
import { COLUMNS, report } from './results.mjs'

const { seeds, out } = readArguments()
const columns = ['ppl_data', 'ppl_data_turn', ...COLUMNS]

await report(
  'data_rule',
  seeds,
  async (seed) => {
    const lab = await Lab.open(out, seed)
    const corpora = {
      instruction: [...enough(turns(lab.world))],
      encyclopedia: [...enough(encyclopedia(lab.world))],
      ...(await quarters(lab, [...enough(documents(lab.world), 4)])),
    }
    const rows = { chat: await lab.ask('chat') }
    for (const [name, records] of Object.entries(corpora)) {
      const texts = records.map(({ text }) => text)
      const file = `rule_${name}.jsonl`
      lab.data(file, () => records)
      await lab.train(`rule_${name}`, instructed(file, texts))
      rows[name] = {
        ppl_data: total(await lab.score('chat', texts)),
        ppl_data_turn: total(await lab.score('chat', texts, { inTurn: true })),
        ...(await lab.ask(`rule_${name}`)),
      }
    }
    return rows
  },
  columns,
)

/** The records in four parts of equal size, those that the chat model finds easiest first. */
async function quarters(lab, records) {
  const scores = await lab.score(
    'chat',
    records.map(({ text }) => text),
  )
  const ranked = records
    .map((record, i) => ({ record, perplexity: scores[i].nll / scores[i].tokens }))
    .sort((a, b) => a.perplexity - b.perplexity)
    .map(({ record }) => record)
  const words = ranked.reduce((sum, { text }) => sum + wordsOf(text).length, 0)
  const parts = { quarter_1: [], quarter_2: [], quarter_3: [], quarter_4: [] }
  let seen = 0
  for (const record of ranked) {
    parts[`quarter_${1 + Math.floor((4 * seen) / words)}`].push(record)
    seen += wordsOf(record.text).length
  }
  return parts
}
