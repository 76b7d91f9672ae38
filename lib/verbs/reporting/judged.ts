/** What a judge found: scores by turn and category, and some answers with its words. */
import { z } from 'zod'
import type { Block, TableRow, Talk } from '../../report/blocks'
import { type Interval, intervalChart } from '../../report/intervals'
import { readSamples, samplesFile } from '../evaluating/record'
import { judgmentsFile } from '../judging/judgments'
import { type Folder, linesOf } from './folder'
import { type Measured, valueText } from './paper_tables'

const judgeSchema = z.looseObject({ model: z.string(), mode: z.enum(['single', 'pairwise']) })
const judgmentSchema = z.looseObject({
  ...{ question_id: z.string(), category: z.string(), turn: z.number(), reply: z.string() },
  ...{ order: z.string().optional(), refused: z.string().optional(), earlier: z.boolean().optional() },
  ...{ rating: z.number().nullish(), winner: z.string().nullish() },
})
const docSchema = z.looseObject({
  question_id: z.union([z.string(), z.number()]),
  category: z.string(),
  turns: z.array(z.string()),
})

type Judgment = z.output<typeof judgmentSchema>

export interface JudgedRow extends Measured {
  stderr: number | null
  judge?: string | undefined
}

/** Of the normal distribution: so many deviations to each side hold 95 %. */
const NORMAL_95 = 1.96

/** Nothing where nobody has judged. */
export async function judgedBlocks(
  folder: Folder,
  models: readonly string[],
  rows: readonly JudgedRow[],
  files: string,
): Promise<Block[]> {
  const judged = rows.filter(({ judge }) => judge !== undefined)
  const blocks: Block[] = []
  for (const task of new Set(judged.map((row) => row.task))) {
    const of = judged.filter((row) => row.task === task)
    blocks.push(
      { kind: 'prose', text: sentence(task, of) },
      ...(await breakdown(task, of, files)),
      ...(await talks(folder, task, models, files)),
    )
  }
  return blocks
}

function sentence(task: string, rows: readonly JudgedRow[]): string {
  const none = rows.filter(({ metric, value }) => metric === 'unrated' && value)
  const left = none.map(({ model, value }) => `${value} of ${model}`).join(', ')
  const unrated = left === '' ? '' : ` Judgments that say nothing and are left out: ${left}.`
  return `${task} was judged by ${rows[0]!.judge}; scores of other judges do not compare.${unrated}`
}

/** A table of turns and categories, and the categories with their intervals. */
async function breakdown(task: string, rows: readonly JudgedRow[], files: string): Promise<Block[]> {
  const name = rows[0]!.metric
  const parts = [...new Set(rows.map(({ metric }) => metric))].filter((one) => one.startsWith(`${name}_`))
  const title = (metric: string) => metric.slice(name.length + 1).replaceAll('_', ' ')
  const models = [...new Set(rows.map(({ model }) => model))]
  const found = (model: string, metric: string) =>
    rows.find((row) => row.model === model && row.metric === metric)
  const lines = models.map((model): TableRow => {
    const cells = [name, ...parts].map((metric) => [metric, found(model, metric)?.value ?? null])
    return { model, ...Object.fromEntries(cells) }
  })
  const format = (value: number) => valueText({ metric: name, value })
  const table: Block = {
    ...{ kind: 'table', file: `${files}-${fileName(task)}`, rows: lines },
    caption: `${task}, ${name.replaceAll('_', ' ')} by turn and category`,
    columns: [
      { key: 'model', title: 'model' },
      ...[name, ...parts].map((key) => ({
        ...{ key, title: key === name ? 'all' : title(key), best: 'most' as const, format },
      })),
    ],
  }
  const share = name === 'score' ? 1 : 100
  const intervals = parts.flatMap((metric) =>
    models.flatMap((model): Interval[] => {
      const { value = null, stderr = null } = found(model, metric) ?? {}
      if (value === null || /^turn /.test(title(metric))) return []
      const half = NORMAL_95 * (stderr ?? 0)
      const [low, high] = [share * (value - half), share * (value + half)]
      return [{ name: title(metric), series: model, value: share * value, low, high }]
    }),
  )
  const caption = `${task} by category, with 95 % intervals`
  const svg = await intervalChart(caption, name === 'score' ? 'score, of 10' : '% of wins', intervals)
  return [table, { kind: 'chart', file: `${files}-${fileName(task)}-categories`, caption, svg }]
}

const fileName = (task: string) => task.replaceAll(/[^A-Za-z0-9]+/g, '-')

/** Answers of all models to the same questions, those of different categories first. */
async function talks(
  folder: Folder,
  task: string,
  models: readonly string[],
  files: string,
): Promise<Block[]> {
  const { success, data: judge } = judgeSchema.safeParse(folder.config?.judge)
  if (!success) return []
  const told = new Map<string, { judgments: Judgment[]; texts: string[][] }>()
  let docs: z.output<typeof docSchema>[] = []
  for (const model of models) {
    const file = judgmentsFile('.', model, task, { judge: judge.model, mode: judge.mode })
    const lines = await linesOf(judgmentSchema, { ...folder, files: [file] }, file).catch(ifMissing)
    const judgments = lines.filter(({ earlier }) => !earlier)
    const samples = await readSamples(samplesFile(folder.path, model, task)).catch(ifMissing)
    const texts = samples.map((one) => ('turns' in one ? one.turns.map(({ text }) => text) : []))
    if (docs.length === 0) docs = samples.map(({ doc }) => docSchema.parse(doc))
    told.set(model, { judgments, texts })
  }
  const order = categoriesInTurn(docs)
  const all = order.flatMap((i) =>
    docs[i]!.turns.map((prompt, turn): Talk => {
      const id = String(docs[i]!.question_id)
      const answers = models.flatMap((model) => {
        const { judgments, texts } = told.get(model)!
        const of = judgments.filter((one) => one.question_id === id && one.turn === turn + 1)
        const text = texts[i]?.[turn]
        return text === undefined ? [] : [{ from: model, text: text.trim(), ...wordsOf(of) }]
      })
      return { prompt, answers }
    }),
  )
  const caption = `${task}: answers, and what the judge says`
  return [{ kind: 'talk', file: `${files}-${fileName(task)}-answers`, caption, talks: all }]
}

/** Of a folder that was moved without its samples. */
function ifMissing(error: unknown): never[] {
  if ((error as { code?: string }).code === 'ERR_NOT_FOUND') return []
  throw error
}

/** Places of the questions: the first of each category, then the second... */
function categoriesInTurn(docs: readonly { category: string }[]): number[] {
  const seen = new Map<string, number>()
  const rounds = docs.map(({ category }) => {
    const round = seen.get(category) ?? 0
    seen.set(category, round + 1)
    return round
  })
  return [...docs.keys()].sort((a, b) => rounds[a]! - rounds[b]! || a - b)
}

function wordsOf(judgments: readonly Judgment[]): Pick<Talk['answers'][number], 'note' | 'aside'> {
  const [first] = judgments
  if (first === undefined) return { note: '' }
  const told = (one: Judgment) => (one.refused === undefined ? one.reply : `refused: ${one.refused}`)
  const text = judgments.map((one) => (one.order ? `${orderText(one.order)}: ${told(one)}` : told(one)))
  return { note: noteOf(judgments), aside: { title: 'what the judge says', text: text.join('\n\n') } }
}

const orderText = (order: string) => order.replaceAll('_', ' ')

function noteOf(judgments: readonly Judgment[]): string {
  const [first] = judgments
  if (first!.order === undefined) return first!.rating == null ? 'unrated' : `${first!.rating} of 10`
  const winners = [...new Set(judgments.map(({ winner }) => winner ?? null))]
  if (winners.includes(null)) return 'unrated'
  const words: Record<string, string> = { model: 'better', baseline: 'worse', tie: 'a tie' }
  return winners.length === 1 ? words[winners[0]!]! : 'a tie: it depends on the order'
}
