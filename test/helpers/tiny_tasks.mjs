// Small tasks for tests of `evaluate` that need no benchmark: questions in the words of the demo's tokenizer.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '#lib/text/random'
import { VOCABULARY } from '#lib/world/tokenizer'

const WORDS = VOCABULARY.filter((token) => /^[a-z]{2,}$/.test(token)).slice(0, 60)

const sentence = (random, length) => Array.from({ length }, () => WORDS[random.below(WORDS.length)]).join(' ')

/** Writes data and task files; gives the folder, and the files by name. */
export function writeTinyTasks(folder, { documents = 12, seed = 1 } = {}) {
  mkdirSync(folder, { recursive: true })
  const random = new Random(seed)
  const question = () => ({
    question: sentence(random, 3 + random.below(5)),
    options: Array.from({ length: 3 }, () => sentence(random, 1 + random.below(3))),
    answer: random.below(3),
  })
  const lines = (count, make) => Array.from({ length: count }, () => `${JSON.stringify(make())}\n`).join('')
  writeFileSync(join(folder, 'test.jsonl'), lines(documents, question))
  writeFileSync(join(folder, 'train.jsonl'), lines(8, question))
  writeFileSync(
    join(folder, 'pages.jsonl'),
    lines(4, () => ({ page: sentence(random, 5 + random.below(40)) })),
  )
  const files = {}
  for (const [name, text] of Object.entries(TASKS)) {
    files[name] = join(folder, `${name}.yaml`)
    writeFileSync(files[name], `task: ${name}\n${text}`)
  }
  return files
}

const CHOICES = `output_type: multiple_choice
dataset_path: json
dataset_kwargs: { data_files: { test: test.jsonl, train: train.jsonl } }
test_split: test
fewshot_split: train
doc_to_text: "{{question}}"
doc_to_choice: "{{options}}"
doc_to_target: answer
`

const TASKS = {
  tiny: CHOICES,
  tiny_first: `${CHOICES}fewshot_config: { sampler: first_n }\nnum_fewshot: 2\n`,
  tiny_pages: `output_type: loglikelihood_rolling
dataset_path: json
dataset_kwargs: { data_files: { test: pages.jsonl } }
test_split: test
doc_to_target: page
`,
}
