/** What models wrote in an evaluation: the languages of answers as InsCP's table 1 has them, parts of tasks, and the answers. */
import { z } from 'zod'
import type { Block, TableBlock, TableColumn, TableRow, Talk } from '../../report/blocks'
import { readLines } from '../../text/lines'
import { samplesFile } from '../evaluating/record'
import { three } from '../landscaping/number_text'
import type { Folder } from './folder'
import { best, valueText } from './paper_tables'
import { percent } from './words'

export const tallySchema = z.looseObject({
  ...{ task: z.string(), model: z.string(), expected: z.string(), answers: z.number() },
  found: z.record(z.string(), z.number()),
})
const value = z.looseObject({ value: z.number().nullable() })
export const partSchema = z.looseObject({
  ...{ task: z.string(), model: z.string(), part: z.string(), documents: z.number() },
  metrics: z.record(z.string(), value),
})

export type Tally = z.output<typeof tallySchema>
export type Part = z.output<typeof partSchema>

/** Languages that have a column of their own; the rest are told together. */
const COLUMNS = 5

/** A table a task: a row for each model and expected language, the shares of the languages of its answers. */
export function languageTables(tallies: readonly Tally[], files: string): TableBlock[] {
  return tasksOf(tallies).map((task, i) => {
    const own = tallies.filter((tally) => tally.task === task)
    const languages = mostFrequent(own)
    const rows = own.map(({ model, expected, answers, found }): TableRow => {
      const counts = languages.map((language) => found[language] ?? 0)
      const others = answers - counts.reduce((sum, count) => sum + count, 0)
      const cells = counts.map((count, j) => [`language_${j}`, count / answers])
      return { model, expected, answers, ...Object.fromEntries(cells), others: others / answers }
    })
    return {
      ...{ kind: 'table', file: `${files}-languages-${i + 1}`, rows },
      caption: `${task}: languages of the answers, by the language that was expected`,
      columns: [
        { key: 'model', title: 'model' },
        { key: 'expected', title: 'expected' },
        { key: 'answers', title: 'answers' },
        ...languages.map(
          (language, j): TableColumn => ({
            ...{ key: `language_${j}`, title: language === 'und' ? 'not told' : language, format: percent },
          }),
        ),
        { key: 'others', title: 'others', format: percent },
      ],
    }
  })
}

const tasksOf = (rows: readonly { task: string }[]) => [...new Set(rows.map(({ task }) => task))]

function mostFrequent(tallies: readonly Tally[]): string[] {
  const counts = new Map<string, number>()
  for (const { found } of tallies)
    for (const [language, count] of Object.entries(found))
      counts.set(language, (counts.get(language) ?? 0) + count)
  const sorted = [...counts].sort(([, a], [, b]) => b - a)
  return sorted.slice(0, COLUMNS).map(([language]) => language)
}

/** A table a task: its first measure by part and model, with mean and deviation over the parts, as InsCP tells BOLD. */
export function partTables(parts: readonly Part[], files: string): TableBlock[] {
  return tasksOf(parts).flatMap((task, i) => {
    const own = parts.filter((part) => part.task === task)
    const names = [...new Set(own.map(({ part }) => part))]
    if (names.length < 2) return []
    const metric = Object.keys(own[0]!.metrics)[0]!
    const models = [...new Set(own.map(({ model }) => model))]
    const rows = models.map((model) => rowOf(model, names, own, metric))
    const number = { best: best(metric), format: (one: number) => valueText({ metric, value: one }) }
    const column = ({ best: which, ...rest }: typeof number, key: string, title: string): TableColumn => ({
      ...{ key, title, ...rest },
      ...(which && { best: which }),
    })
    return [
      {
        ...{ kind: 'table', file: `${files}-parts-${i + 1}`, rows },
        caption: `${task}, ${metric}, by part`,
        columns: [
          { key: 'model', title: 'model' },
          ...names.map((name, j) => column(number, `part_${j}`, name)),
          column(number, 'mean', 'mean of parts'),
          { key: 'deviation', title: 'deviation', format: three },
        ],
      },
    ]
  })
}

function rowOf(model: string, names: readonly string[], parts: readonly Part[], metric: string): TableRow {
  const values = names.map((name) => {
    const found = parts.find((one) => one.model === model && one.part === name)
    return found?.metrics[metric]?.value ?? null
  })
  const told = values.filter((one) => one !== null)
  const mean = told.reduce((sum, one) => sum + one, 0) / told.length
  const squares = told.reduce((sum, one) => sum + (one - mean) ** 2, 0)
  return {
    model,
    ...Object.fromEntries(values.map((one, j) => [`part_${j}`, one])),
    mean: told.length === 0 ? null : mean,
    deviation: told.length < 2 ? null : Math.sqrt(squares / (told.length - 1)),
  }
}

const sampleSchema = z.looseObject({
  asked: z.array(z.string()),
  turns: z.array(z.looseObject({ text: z.string(), finish_reason: z.string() })),
})
type Sample = z.output<typeof sampleSchema>

/** Answers of each task that have room on the page; of many models fewer prompts are shown, but not less than two. */
const ROOM = 18
const SHOWN = { least: 2, most: 6 }

/** The same prompts, answered by each model, in the folder of its evaluation: of each task whose answers were written. */
export async function answerTalks(
  folderOf: (model: string) => Folder,
  tasks: readonly string[],
  models: readonly string[],
  files: string,
): Promise<Block[]> {
  const blocks: Block[] = []
  const shown = Math.min(SHOWN.most, Math.max(SHOWN.least, Math.floor(ROOM / models.length)))
  for (const task of tasks) {
    const all = []
    for (const model of models) {
      const file = samplesFile(folderOf(model).path, model, task)
      all.push({ model, samples: await firstSamples(file, shown) })
    }
    const talks = talksOf(all)
    if (talks.length === 0) continue
    const file = `${files}-answers-${blocks.length + 1}`
    blocks.push({ kind: 'talk', file, caption: `${task}: answers`, talks })
  }
  return blocks
}

/** The first few; none of a task with given answers, or where the file is gone. */
async function firstSamples(file: string, count: number): Promise<Sample[]> {
  const samples: Sample[] = []
  try {
    for await (const { text } of readLines(file)) {
      const sample = sampleSchema.safeParse(JSON.parse(text)).data
      if (sample === undefined || samples.push(sample) === count) break
    }
  } catch {
    // What is damaged is shown as far as it can be read.
  }
  return samples
}

function talksOf(all: readonly { model: string; samples: readonly Sample[] }[]): Talk[] {
  const [first] = all
  if (first === undefined) return []
  return first.samples.flatMap(({ asked }, i) =>
    asked.map((prompt, turn) => ({
      prompt,
      answers: all.flatMap(({ model, samples }) => {
        const said = samples[i]?.turns[turn]
        if (said === undefined) return []
        const ended = said.text.trim() === '' ? 'says nothing' : ''
        const note = said.finish_reason === 'stop' ? ended : 'cut off'
        return [{ from: model, text: said.text, note }]
      }),
    })),
  )
}
