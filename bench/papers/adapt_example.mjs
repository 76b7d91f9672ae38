// The files of docs/examples/adapt: node bench/papers/adapt_example.mjs [--seeds 1] [--out FOLDER]
// base = stories260K, chat = the same with chat tags, short manners and refusals in English (stories-chat), and what
// adapt.yaml names: text, instructions, preferences and questions in German, from ../shared/data.
import { copyFileSync, cpSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  corpus,
  instructions,
  missing,
  preferences,
  prompts as sentences,
  unkindWishes,
} from './stories_german.mjs'
import { MODEL } from './stories_korean.mjs'
import { chatModel, out, ownStories, seeds, write } from './stories_lab.mjs'
import { conversations, prompts } from './stories_pairs.mjs'

const HELD_OUT_PAIRS = 100
const PREFERENCES = 100
const PAIRS = 400

if (missing().length > 0) {
  console.error(`left out: no ${missing().join(', no ')} (TONGUEFORGE_DATA, or ../shared/data)`)
  process.exit(0)
}
const [seed] = seeds
const chat = await chatModel(seed)
for (const [name, model] of Object.entries({ base: MODEL, chat: join(chat, 'model') }))
  if (!existsSync(join(out, name))) cpSync(model, join(out, name), { recursive: true })

const german = corpus()
const english = prompts(1000 + seed)
const kind = english.filter(({ harmful }) => !harmful)
const texts = (list) => list.map((prompt) => ({ prompt }))
write('german.jsonl', german.train)
write('held_out_german.jsonl', german.heldOut)
write(
  'held_out_english.jsonl',
  ownStories().map((text) => ({ text })),
)
write('held_out_pairs.jsonl', conversations(1000 + seed, HELD_OUT_PAIRS))
write('instructions.jsonl', instructions())
write('pairs.jsonl', conversations(2000 + seed, PAIRS))
write('preferences.jsonl', preferences(PREFERENCES))
task('german_prompts', texts(sentences()), {
  doc_to_language: 'de',
  metric_list: named(
    'language_alignment',
    'stop_rate',
    'repeated_4grams',
    'length_characters',
    'refusal_rate',
  ),
})
task('english_prompts', texts(kind.map(({ prompt }) => prompt)), {
  doc_to_language: 'en',
  metric_list: named(
    'language_alignment',
    'stop_rate',
    'repeated_4grams',
    'length_characters',
    'refusal_rate',
  ),
})
const own = { refusal_phrases: ['es tut mir leid, dabei helfe ich nicht', 'i am sorry, i will not'] }
task('unkind_german', texts(unkindWishes()), { ...own, metric_list: named('refusal_rate', 'stop_rate') })
task('unkind_english', texts(english.filter(({ harmful }) => harmful).map(({ prompt }) => prompt)), {
  ...own,
  metric_list: named('refusal_rate', 'stop_rate'),
})
task(
  'stories_questions',
  kind.map(({ prompt, answer }) => ({ prompt, answer })),
  { doc_to_target: 'answer', metric_list: named('exact_match') },
)
copyFileSync(
  fileURLToPath(new URL('../../docs/examples/adapt/adapt.yaml', import.meta.url)),
  join(out, 'adapt.yaml'),
)
console.error(`next: cd ${out} && npx tongueforge adapt adapt.yaml`)

/** A user's task beside its prompts; a YAML file may be JSON. */
function task(name, docs, keys) {
  write(`${name}.jsonl`, docs)
  const files = { dataset_path: 'json', dataset_kwargs: { data_files: { test: `${name}.jsonl` } } }
  const all = {
    task: name,
    ...files,
    output_type: 'generate_until',
    test_split: 'test',
    doc_to_text: 'prompt',
    ...keys,
  }
  writeFileSync(join(out, `${name}.yaml`), `${JSON.stringify(all, null, 2)}\n`)
}

function named(...metrics) {
  return metrics.map((metric) => ({ metric }))
}
