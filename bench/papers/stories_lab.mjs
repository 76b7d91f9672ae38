// What the experiments on stories260K share: a folder, the Korean corpus, a chat model, training and measuring.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { extendVocabulary, loadModel } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { readArguments } from './arguments.mjs'
import { writeRecords } from './records.mjs'
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
const KOREAN_QUESTIONS = 32
/** Stories that the model itself tells, to see what is left of its English. */
const STORIES = { count: 24, tokens: 160 }
const SFT = { steps: 200, batch_size: 4, sequence_length: 256, lr: 5e-4 }

const { seeds: given, out: root } = readArguments({ seeds: '1,2,3' })
if (missing().length > 0) {
  console.error(`left out: no ${missing().join(', no ')} (TONGUEFORGE_DATA, or ../shared/data)`)
  process.exit(0)
}
export const seeds = given
export const out = join(root, 'stories')
mkdirSync(out, { recursive: true })
export const text = korean()
export const corpus = write(
  'korean.jsonl',
  text.texts.map((line) => ({ text: line })),
)
/** stories260K with chat tags, their template and their end of turn. */
const tagged = await extended('tagged', MODEL, {
  specialTokens: TAGS,
  chatTemplate: template(),
  eosToken: TAGS[2],
})
const stories = await toldStories()

/** stories-chat: short manners by SFT. */
export async function chatModel(seed) {
  const pairs = write(`pairs-${seed}.jsonl`, conversations(seed, PAIRS))
  return trained('chat', seed, { ...SFT, objective: 'sft', model: tagged, path: pairs })
}

export function write(name, records) {
  const path = join(out, name)
  writeRecords(path, records)
  return path
}

function template() {
  const path = join(out, 'chat_template.jinja')
  writeFileSync(path, TEMPLATE)
  return path
}

export async function extended(name, model, options) {
  const folder = join(out, name)
  if (!existsSync(folder)) await extendVocabulary({ model, out: folder, threads: 1, ...options })
  return folder
}

export async function trained(name, seed, { lr, path, ...keys }) {
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

/** Stories that the model itself tells. */
export const ownStories = () => stories

async function toldStories() {
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

export async function asked(folder, seed) {
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
