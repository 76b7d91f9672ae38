// Small sets of questions that a judge looks at, in the words of the demo's tokenizer, with made-up templates.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { tinyQuestions } from './tiny_generation.mjs'

const golden = fileURLToPath(new URL('../golden/judging', import.meta.url))
export const CATEGORIES = ['writing', 'math', 'coding', 'stem', 'roleplay', 'reasoning']

export const writeLines = (file, rows) =>
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))

/** A line of an answer file, as FastChat writes them. */
export const answerLine = (question_id, turns, model_id = 'somebody') => ({
  ...{ question_id, answer_id: `a${question_id}`, model_id },
  ...{ choices: [{ index: 0, turns }], tstamp: 1 },
})

/** `mt_bench` and `vicuna` in FastChat's own folders; gives the questions of the first. */
export function writeTinyJudging(folder) {
  const made = tinyQuestions(CATEGORIES.length).map(({ question, next }, i) => ({
    ...{ question_id: 81 + i, category: CATEGORIES[i], turns: [question, next] },
  }))
  const first = made.map(({ turns, ...row }) => ({
    ...row,
    question_id: row.question_id - 80,
    turns: [turns[0]],
  }))
  for (const [name, rows] of [
    ['mt_bench', made],
    ['vicuna_bench', first],
  ]) {
    mkdirSync(join(folder, name, 'reference_answer'), { recursive: true })
    writeLines(join(folder, name, 'question.jsonl'), rows)
    const right = rows.filter(({ category }) => ['math', 'coding', 'reasoning'].includes(category))
    writeLines(
      join(folder, name, 'reference_answer/gpt-4.jsonl'),
      right.map(({ question_id, turns }) =>
        answerLine(
          question_id,
          turns.map((turn) => `right: ${turn}`),
          'gpt-4',
        ),
      ),
    )
  }
  copyFileSync(join(golden, 'judge_prompts.jsonl'), join(folder, 'judge_prompts.jsonl'))
  return made
}
