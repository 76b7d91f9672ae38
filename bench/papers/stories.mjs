// Real text: node bench/papers/stories.mjs [--seeds 1,2,3] [--out FOLDER]
// stories260K, a Llama of English children's stories, is given chat tags and short manners, then tokens of Korean, and
// is continually pre-trained on Korean: in its chat template (InsCP) and plainly (CP), same documents and updates.
import { loadModel } from 'tongueforge'
import { report } from './results.mjs'
import { asked, chatModel, corpus, extended, seeds, text, trained } from './stories_lab.mjs'

const KOREAN_TOKENS = 768
const CP = { steps: 120, batch_size: 8, sequence_length: 256 }
/** At the first English is still answered in English, at the second no longer. Chosen on seed 0. */
const RATES = [2e-4, 5e-4]
const COLUMNS = [
  'lid_en',
  'lid_ko',
  'stop_en',
  'stop_ko',
  'ok_en',
  'ref_en',
  'ref_ko',
  'ref_harmless_ko',
  'rep_en',
  'rep_ko',
  'bits_en',
  'bits_ko',
  'bits_ko_turn',
]

await report(
  'stories',
  seeds,
  async (seed) => {
    const chat = await chatModel(seed)
    const start = await extended(`chat-ko-${seed}`, chat, {
      data: [corpus],
      tokens: KOREAN_TOKENS,
      minCount: 2,
    })
    const batch_size = await instructedRows(start)
    const arms = { chat: start }
    for (const lr of RATES) {
      const how = { ...CP, lr, model: start, path: corpus }
      arms[`cp ${lr}`] = await trained(`cp-${lr}`, seed, { ...how, objective: 'cp' })
      arms[`inscp ${lr}`] = await trained(`inscp-${lr}`, seed, { ...how, batch_size, objective: 'inscp' })
    }
    const measured = {}
    for (const [arm, folder] of Object.entries(arms)) measured[arm] = await asked(folder, seed)
    return measured
  },
  COLUMNS,
)

/** So many rows that an update of InsCP covers as many documents as one of plain CP. */
async function instructedRows(folder) {
  const model = await loadModel(folder, { threads: 1 })
  const { tokenizer, template: chat } = await model.text()
  const [plain, turned] = await Promise.all([
    tokenizer.encodeBatch(text.texts),
    tokenizer.encodeBatch(
      text.texts.map((content) =>
        chat.render([
          { role: 'user', content: '' },
          { role: 'assistant', content },
        ]),
      ),
      { addSpecialTokens: false },
    ),
  ])
  await model.dispose()
  const tokens = (rows) => rows.reduce((sum, ids) => sum + ids.length, 0)
  return Math.round((CP.batch_size * tokens(turned)) / tokens(plain))
}
