/** An evaluation: models side by side as papers lay their tables out, what differs from the first, every number. */
import { z } from 'zod'
import type { Block, TableBlock, TableRow } from '../../../report/blocks'
import { type Interval, intervalChart } from '../../../report/intervals'
import {
  answerTalks,
  languageTables,
  type Part,
  partSchema,
  partTables,
  type Tally,
  tallySchema,
} from '../answers'
import { checked, linesOf } from '../folder'
import { judgedBlocks } from '../judged'
import { defineKind, type NamedRun } from '../kind'
import {
  best,
  isShare,
  type Measured,
  PAPER_TABLES,
  type PaperTable,
  primaryRows,
  type ToldMetrics,
  valueText,
} from '../paper_tables'
import { count, signed } from '../words'

const difference = z.looseObject({
  value: z.number().nullable(),
  interval: z.tuple([z.number(), z.number()]).nullable(),
})
export const rowSchema = z.looseObject({
  ...{ task: z.string(), metric: z.string(), model: z.string(), value: z.number().nullable() },
  ...{ stderr: z.number().nullable(), num_fewshot: z.number(), documents: z.number() },
  ...{ group: z.boolean().optional(), difference: difference.optional() },
  judge: z.string().optional(),
})
const reportSchema = z.looseObject({
  models: z.array(z.looseObject({ name: z.string() })),
  results: z.array(rowSchema),
  parts: z.array(partSchema).optional(),
  languages: z.array(tallySchema).optional(),
})
const metric = z.looseObject({ value: z.number().nullable(), stderr: z.number().nullable() })
const recordSchema = z.looseObject({
  ...{ model: z.string(), task: z.string(), num_fewshot: z.number(), documents: z.number() },
  metrics: z.record(z.string(), metric),
  parts: z.array(partSchema.omit({ task: true, model: true })).optional(),
  languages: z.array(tallySchema.omit({ task: true, model: true })).optional(),
})

export type Row = z.output<typeof rowSchema>

export interface Evaluation {
  models: string[]
  rows: Row[]
  parts: Part[]
  languages: Tally[]
  finished: boolean
}

export default defineKind<Evaluation>({
  title: 'Evaluation',
  looksFor: 'of evaluate: resolved.yaml with `verb: evaluate`',
  recognises: ({ verb }) => verb === 'evaluate',
  async read(folder) {
    if (folder.report !== undefined) {
      const read = checked(reportSchema, folder.report, folder, 'report.json')
      const { models, results: rows, parts = [], languages = [] } = read
      return { models: models.map(({ name }) => name), rows, parts, languages, finished: true }
    }
    const records = await linesOf(recordSchema, folder, 'results.jsonl')
    const rows = records.flatMap(({ metrics, ...record }) =>
      Object.entries(metrics).map(([name, value]): Row => ({ ...record, metric: name, ...value })),
    )
    const models = [...new Set(rows.map(({ model }) => model))]
    const of = <Line extends object>(lines: (record: (typeof records)[number]) => Line[] | undefined) =>
      records.flatMap((record) =>
        (lines(record) ?? []).map((line) => ({ ...line, task: record.task, model: record.model })),
      )
    const nearer = { parts: of(({ parts }) => parts), languages: of(({ languages }) => languages) }
    return { models, rows, ...nearer, finished: false }
  },
  summary({ models, rows, finished }) {
    const tasks = new Set(rows.map(({ task }) => task)).size
    const shown = primaryRows(rows).filter(({ model }) => model === models.at(-1))
    return {
      sentence: `${models.join(', ')} on ${count(tasks, 'task')}.`,
      figures: shown.slice(0, 4).map((row) => {
        const change = row.difference?.value
        const percentage = isShare(row.metric)
        return {
          ...{ name: `${row.task}, ${row.metric}`, value: row.value ?? Number.NaN, text: valueText(row) },
          note: [
            ...(models.length > 1 ? [row.model] : []),
            ...(typeof change === 'number'
              ? [`${signed(percentage ? 100 * change : change)} from ${models[0]}`]
              : []),
          ].join(', '),
        }
      }),
      ...(!finished && { unfinished: `${count(rows.length, 'number')} so far` }),
    }
  },
  async details({ models, rows, parts, languages }, folder, files) {
    // Those that were judged are shown with the words of the judge.
    const judged = new Set(rows.flatMap(({ task, judge }) => (judge === undefined ? [] : [task])))
    const tasks = [...new Set(rows.map(({ task }) => task))].filter((task) => !judged.has(task))
    return [
      ...paperTables(models, rows, files),
      ...languageTables(languages, files),
      ...partTables(parts, files),
      ...(await differences(rows, files)),
      ...(await answerTalks(() => folder, tasks, models, files)),
      ...(await judgedBlocks(folder, models, rows, files)),
      everyNumber(models, rows, files),
    ]
  },
  together: async (runs) => paperTables(...merged(runs), 'evaluations'),
})

/** Models by rows, tasks by columns. */
export function paperTables(
  models: readonly string[],
  rows: readonly Measured[],
  files: string,
  told?: ToldMetrics,
): Block[] {
  const primary = primaryRows(rows, told)
  return PAPER_TABLES.flatMap((paper) => {
    const of = primary.filter((row) => tableOf(row) === paper)
    return of.length === 0 ? [] : [paperTable(paper, models, of, files)]
  })
}

const tableOf = ({ task, metric: measure }: Measured): PaperTable =>
  PAPER_TABLES.find(({ tasks, metrics }) => tasks?.test(task) || metrics?.test(measure))!

function paperTable(
  { name, caption }: PaperTable,
  models: readonly string[],
  rows: readonly Measured[],
  files: string,
): TableBlock {
  const tasks = [...new Set(rows.map(({ task }) => task))]
  const lines = models.map((model): TableRow => {
    const cells = tasks.map((task, i) => {
      const found = rows.find((row) => row.task === task && row.model === model)
      return [`task_${i}`, found?.value ?? null]
    })
    return { model, ...Object.fromEntries(cells) }
  })
  const columns = tasks.map((task, i) => {
    const { metric: measure } = rows.find((row) => row.task === task)!
    return {
      ...{ key: `task_${i}`, title: `${task}, ${measure}` },
      ...(best(measure) && { best: best(measure)! }),
      format: (value: number) => valueText({ metric: measure, value }),
    }
  })
  return {
    ...{ kind: 'table', file: `${files}-${name}`, caption, rows: lines },
    columns: [{ key: 'model', title: 'model' }, ...columns],
  }
}

/** Shares in points of a hundred, scores in those of their scale. */
export async function differences(rows: readonly Row[], files: string): Promise<Block[]> {
  const primary = primaryRows(rows)
  const shares = primary.filter(({ metric: measure }) => isShare(measure))
  const scores = primary.filter(({ metric: measure }) => measure === 'score')
  return [
    ...(await differenceChart(shares, 100, 'in points', `${files}-differences`)),
    ...(await differenceChart(scores, 1, 'in points of 10', `${files}-score-differences`)),
  ]
}

async function differenceChart(
  rows: readonly Row[],
  scale: number,
  unit: string,
  file: string,
): Promise<Block[]> {
  const intervals = rows.flatMap(({ task, model, difference: found }): Interval[] => {
    if (!found?.interval || found.value === null) return []
    const [low, high] = found.interval.map((end) => scale * end) as [number, number]
    return [{ name: task, series: model, value: scale * found.value, low, high }]
  })
  if (intervals.length === 0) return []
  const caption = `Difference from the first model, ${unit}, with 95 % intervals`
  const svg = await intervalChart(caption, unit.replace(/^in /, ''), intervals)
  return [{ kind: 'chart', file, caption, svg }]
}

export function everyNumber(models: readonly string[], rows: readonly Row[], files: string): Block {
  const lines = rows.map(
    ({ task, metric: measure, model, value, stderr, num_fewshot, documents, difference: found }) => ({
      ...{ task, metric: measure, model, value, stderr, shots: num_fewshot, documents },
      ...{
        difference: found?.value ?? null,
        low: found?.interval?.[0] ?? null,
        high: found?.interval?.[1] ?? null,
      },
    }),
  )
  const rounded = (value: number) => String(Number(value.toPrecision(4)))
  return {
    ...{ kind: 'folded', title: 'Every number' },
    blocks: [
      {
        ...{ kind: 'table', file: `${files}-results`, caption: 'Results, with standard errors', rows: lines },
        columns: [
          { key: 'task', title: 'task' },
          { key: 'metric', title: 'metric' },
          { key: 'model', title: 'model' },
          { key: 'value', title: 'value', format: rounded },
          { key: 'stderr', title: 'standard error', format: rounded },
          ...(models.length > 1
            ? [
                { key: 'difference', title: `from ${models[0]}`, format: signed },
                { key: 'low', title: '95 % from', format: signed },
                { key: 'high', title: 'to', format: signed },
              ]
            : []),
          { key: 'shots', title: 'shots' },
          { key: 'documents', title: 'documents' },
        ],
      },
    ],
  }
}

/** Models of several folders; of equal names each with that of its folder. */
function merged(runs: readonly NamedRun<Evaluation>[]): [models: string[], rows: Measured[]] {
  const all = runs.flatMap(({ run: { models } }) => models)
  const called = (model: string, run: string) =>
    all.filter((name) => name === model).length > 1 ? `${model} (${run})` : model
  const models = runs.flatMap(({ name, run }) => run.models.map((model) => called(model, name)))
  const rows = runs.flatMap(({ name, run }) =>
    run.rows.map((row) => ({ ...row, model: called(row.model, name) })),
  )
  return [models, rows]
}
