// A small task whose answers are written, in the words of the demo's tokenizer.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { evaluate } from 'tongueforge'
import { stringify } from 'yaml'
import { Random } from '#lib/text/random'
import { readSamples, samplesFile } from '#lib/verbs/evaluating/record'
import { VOCABULARY } from '#lib/world/tokenizer'

const WORDS = VOCABULARY.filter((token) => /^[a-z]{2,}$/.test(token)).slice(0, 60)

/** `count` records of a question of one to four words, drawn by a seed. */
export function tinyQuestions(count, seed = 1) {
  const random = new Random(seed)
  const words = (length) => Array.from({ length }, () => WORDS[random.below(WORDS.length)]).join(' ')
  return Array.from({ length: count }, () => ({ question: words(1 + random.below(4)), next: words(2) }))
}

/** Writes a task file and its records; gives the path of the file. */
export function writeTinyGeneration(folder, { name = 'written', docs = tinyQuestions(8), ...keys } = {}) {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.jsonl`), docs.map((doc) => `${JSON.stringify(doc)}\n`).join(''))
  const file = join(folder, `${name}.yaml`)
  const task = {
    ...{ task: name, output_type: 'generate_until', dataset_path: 'json', test_split: 'test' },
    ...{ dataset_kwargs: { data_files: { test: `${name}.jsonl` } }, doc_to_text: 'question' },
    generation_kwargs: { max_gen_toks: 12 },
    metric_list: ['stop_rate', 'length_tokens', 'length_characters'].map((metric) => ({ metric })),
  }
  writeFileSync(file, stringify({ ...task, ...keys }))
  return file
}

/** Evaluations of the model in `folder`, a run folder and a task file each below `root`. */
export function generationRuns(root, folder) {
  let count = 0
  const config = (task, more = {}) => ({
    ...{ models: [folder], tasks: [task].flat(), out: join(root, `run${count++}`), threads: 1 },
    ...more,
  })
  const taskFile = (keys) => writeTinyGeneration(join(root, `tasks${count++}`), keys)
  const samplesOf = ({ out }, name = 'first', task = 'written') => readSamples(samplesFile(out, name, task))
  const ran = async (task, more) => {
    const given = config(task, more)
    const report = await evaluate(given).result
    return { report, samples: await samplesOf(given), given }
  }
  return { config, taskFile, samplesOf, ran }
}
