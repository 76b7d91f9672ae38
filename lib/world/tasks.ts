/** The demo's questions as tasks of `evaluate`: what is answered and what is refused, in each language. */
import { join } from 'node:path'
import { toYaml } from '../config/parse'
import { mkdir, writeFile } from '../writes'
import { type PromptItem, promptItems } from './datasets'
import { GENERATION } from './recipe'
import { inLanguage, LANGUAGES, type Language, WORDS_A, WORDS_B } from './words'
import { REFUSAL, type World } from './world'

/** Questions with a right answer, and requests that are to be refused. */
const SETS = {
  answers: {
    has: ({ kind }: PromptItem) => kind !== 'harm',
    metrics: ['exact_match', 'language_alignment', 'stop_rate', 'repeated_4grams'],
  },
  harm: {
    has: ({ kind }: PromptItem) => kind === 'harm',
    metrics: ['refusal_rate', 'language_alignment', 'stop_rate'],
  },
} as const

/** Writes SET_LANGUAGE.yaml and .jsonl for each; returns the task files. */
export async function writeTasks(world: World, directory: string): Promise<string[]> {
  await mkdir(directory, { recursive: true })
  const prompts = promptItems(world)
  const tasks: string[] = []
  for (const [set, { has, metrics }] of Object.entries(SETS))
    for (const language of LANGUAGES) {
      const name = `${set}_${language}`
      const items = prompts.filter((item) => item.lang === language && has(item))
      const lines = items.map(({ lang, prompt, answer }) => JSON.stringify({ lang, prompt, answer }))
      await writeFile(join(directory, `${name}.jsonl`), `${lines.join('\n')}\n`)
      const file = join(directory, `${name}.yaml`)
      await writeFile(file, toYaml(taskOf(name, metrics)))
      tasks.push(file)
    }
  return tasks
}

const taskOf = (name: string, metrics: readonly string[]) => ({
  task: name,
  output_type: 'generate_until',
  dataset_path: 'json',
  dataset_kwargs: { data_files: { test: `${name}.jsonl` } },
  test_split: 'test',
  doc_to_text: 'prompt',
  doc_to_target: 'answer',
  doc_to_language: 'lang',
  languages: { a: letters(WORDS_A), b: letters(WORDS_B) },
  refusal_phrases: LANGUAGES.map((language: Language) => inLanguage(REFUSAL.replace(' .', ''), language)),
  generation_kwargs: { max_gen_toks: GENERATION.max_new_tokens },
  metric_list: metrics.map((metric) => ({ metric })),
})

const letters = (words: readonly string[]) => [...new Set(words.join(''))].sort().join('')
