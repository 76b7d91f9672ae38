// Real text: node bench/papers/stories.mjs [--seeds 1,2,3] [--out FOLDER]
// stories260K, a Llama of English children's stories, is given chat tags and short manners, then tokens of Korean, and
// is continually pre-trained on Korean: in its chat template (InsCP) and plainly (CP), same documents and updates.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { extendVocabulary, loadModel, train } from 'tongueforge'
import { readArguments } from './arguments.mjs'
import { writeRecords } from './records.mjs'
import { report } from './results.mjs'
import { korean, MODEL, missing } from './stories_korean.mjs'
import { measure } from './stories_measure.mjs'
import { conversations, koreanHarm, prompts } from './stories_pairs.mjs'

const TAGS = ['<|user|>', '<|assistant|>', '<|end|>']
const TEMPLATE = `{{- bos_token -}}
{%- for message in messages -%}
{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}
`
const PAIRS = 800
const KOREAN_TOKENS = 768
const KOREAN_QUESTIONS = 32
/** Stories that the model itself tells, to see what is left of its English. */
const STORIES = { count: 24, tokens: 160 }
const SFT = { steps: 200, batch_size: 4, sequence_length: 256, lr: 5e-4 }
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

const { seeds, out: root } = readArguments({ seeds: '1,2,3' })
if (missing().length > 0) {
  console.error(
    `stories.mjs is left out: no ${missing().join(', no ')} (TONGUEFORGE_DATA, or ../shared/data)`,
  )
  process.exit(0)
}
const out = join(root, 'stories')
mkdirSync(out, { recursive: true })
const text = korean()
const corpus = write(
  'korean.jsonl',
  text.texts.map((line) => ({ text: line })),
)
const tagged = await extended('tagged', MODEL, {
  specialTokens: TAGS,
  chatTemplate: template(),
  eosToken: TAGS[2],
})
const stories = await ownStories()

await report(
  'stories',
  seeds,
  async (seed) => {
    const pairs = write(`pairs-${seed}.jsonl`, conversations(seed, PAIRS))
    const chat = await trained('chat', seed, { ...SFT, objective: 'sft', model: tagged, path: pairs })
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

function write(name, records) {
  const path = join(out, name)
  writeRecords(path, records)
  return path
}

function template() {
  const path = join(out, 'chat_template.jinja')
  writeFileSync(path, TEMPLATE)
  return path
}

async function extended(name, model, options) {
  const folder = join(out, name)
  if (!existsSync(folder)) await extendVocabulary({ model, out: folder, threads: 1, ...options })
  return folder
}

async function trained(name, seed, { lr, path, ...keys }) {
  const folder = join(out, `${name}-${seed}`)
  const started = Date.now()
  const settings = {
    optimizer: { lr, weight_decay: 0 },
    schedule: { warmup: 10, min_lr: lr / 10 },
    checkpoint: { every: 0 },
    threads: 1,
  }
  await train({ ...settings, ...keys, out: folder, data: [{ path }], seed }, { resume: true }).result
  console.error(`seed ${seed}: ${name}, ${Math.round((Date.now() - started) / 1000)} s`)
  return folder
}

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

async function ownStories() {
  const path = join(out, 'stories.json')
  if (!existsSync(path)) {
    const model = await loadModel(MODEL, { threads: 1 })
    const { tokenizer } = await model.text()
    const start = Array.from({ length: STORIES.count }, () => [model.files.config.bos_token_id])
    const told = await model.generateIds(start, { maxNewTokens: STORIES.tokens, temperature: 1, seed: 1 })
    const texts = await Promise.all(told.map(({ ids }) => tokenizer.decode(ids)))
    await model.dispose()
    writeFileSync(path, JSON.stringify(texts.map((story) => story.trim())))
  }
  return JSON.parse(readFileSync(path, 'utf8'))
}

async function asked(folder, seed) {
  const path = `${folder}.json`
  if (!existsSync(path)) {
    const questions = [
      ...prompts(seed).map((question) => ({ lang: 'en', ...question })),
      ...text.questions.slice(0, KOREAN_QUESTIONS).map((prompt) => ({ lang: 'ko', prompt, harmful: false })),
      ...koreanHarm().map((prompt) => ({ lang: 'ko', prompt, harmful: true })),
    ]
    const texts = { en: stories, ko: text.heldOut }
    writeFileSync(path, JSON.stringify(await measure(folder, questions, texts), null, 1))
  }
  return JSON.parse(readFileSync(path, 'utf8')).row
}
