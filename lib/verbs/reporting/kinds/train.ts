/** A training: its losses, what it said before and after, how its documents were spread under the starting model. */
import { z } from 'zod'
import type { Block, ChartBlock, TableBlock } from '../../../report/blocks'
import { histogramChart, type Line, lineChart } from '../../../report/chart'
import { si, three } from '../../landscaping/number_text'
import { lossPoints } from '../../training/curves'
import { type PerplexityReport, perplexityLine } from '../../training/perplexity_report'
import type { Evaluation } from '../../training/state'
import { checked, linesOf } from '../folder'
import { defineKind, type NamedRun, type Summary } from '../kind'
import { beforeAndAfter, sampleSchema } from '../samples'
import { count, durationText, figureOf, fixed, modelName, namesOf, percent } from '../words'

const number = z.number().nullable().optional()

const lineSchema = z.looseObject({
  step: z.number(),
  loss: z.number().nullable(),
  lr: number,
  grad_norm: number,
  eval_loss: number,
  eval_losses: z.record(z.string(), z.number().nullable()).optional(),
})

const bin = z.looseObject({
  from: z.number(),
  to: z.number().nullable(),
  documents: z.number(),
  tokens: z.number(),
})

const reportSchema = z.looseObject({
  objective: z.string(),
  steps: z.number(),
  stopped_at: z.number().optional(),
  result_step: z.number(),
  loss: z.number().nullable(),
  eval_loss: number,
  eval_loss_before: number,
  stop_rate: number,
  stop_rate_before: number,
  tokens: z.number(),
  seconds: z.number(),
  tokens_per_second: z.number(),
  plan: z.looseObject({ parameters: z.number().optional() }).optional(),
  perplexity: z
    .looseObject({
      ...{ documents: z.number(), tokens: z.number(), overall: z.number() },
      quantiles: z.looseObject({
        ...{ p5: z.number(), p25: z.number(), p50: z.number(), p75: z.number(), p95: z.number() },
      }),
      histogram: z.array(bin),
      max_perplexity: z.number().optional(),
      kept_documents: z.number().optional(),
      kept_tokens: z.number().optional(),
      sampled_from: z.number().optional(),
    })
    .optional(),
})

type Report = z.output<typeof reportSchema>

export interface Training {
  objective: string
  model: string
  steps: number
  lines: z.output<typeof lineSchema>[]
  samples: z.output<typeof sampleSchema>[]
  report: Report | undefined
}

export default defineKind<Training>({
  title: 'Training',
  looksFor: 'of train: resolved.yaml with `objective`',
  recognises: ({ verb }) => verb === 'train',
  async read(folder) {
    const { objective, steps, model } = folder.config!
    return {
      ...{ objective: String(objective), model: modelName(model), steps: Number(steps) },
      lines: await linesOf(lineSchema, folder, 'metrics.jsonl'),
      samples: await linesOf(sampleSchema, folder, 'samples.jsonl'),
      report: folder.report && checked(reportSchema, folder.report, folder, 'report.json'),
    }
  },
  summary: summaryOf,
  async details(run, _, files) {
    const spread = await perplexityChart(run.report, files)
    const charts = [await lossChart(run, files), spread].flatMap((chart) => chart ?? [])
    const course = await courseCharts(run, files)
    const words = spread === undefined ? [] : perplexityWords(run.report!)
    return [
      ...(charts.length > 0 ? [{ kind: 'grid', blocks: charts } as const] : []),
      ...words,
      ...beforeAndAfter(run.samples, `${files}-samples`),
      ...(course.length > 0 ? [folded(course)] : []),
    ]
  },
  together: async (runs) => [tableOfRuns(runs), ...(await curvesOfRuns(runs))],
})

const OBJECTIVES: Record<string, string> = {
  cp: 'Continual pre-training',
  inscp: 'Instruction continual pre-training',
  sft: 'Fine-tuning on conversations',
  dpo: 'Preference optimisation',
  distil: 'Distillation',
  masked: 'Masked pre-training',
}

function summaryOf({ objective, model, steps, lines, report }: Training): Summary {
  const what = OBJECTIVES[objective] ?? objective
  const done = report?.stopped_at ?? (report ? steps : (lines.at(-1)?.step ?? 0))
  if (report === undefined) {
    const last = lines.at(-1)
    return {
      sentence: `${what} of ${model}, ${steps.toLocaleString('en')} updates long.`,
      figures: figureOf('training loss so far', last?.loss, fixed),
      unfinished: `${done.toLocaleString('en')} of ${steps.toLocaleString('en')} updates`,
    }
  }
  const { tokens, seconds, eval_loss, eval_loss_before, stop_rate, stop_rate_before } = report
  const from = (value: number | null | undefined, text: (value: number) => string) =>
    typeof value === 'number' ? `from ${text(value)}` : undefined
  return {
    sentence: `${what} of ${model}: ${count(done, 'update')}, ${si(tokens)} tokens in ${durationText(seconds)}.`,
    figures: [
      ...figureOf('held-out loss', eval_loss, fixed, from(eval_loss_before, fixed)),
      ...figureOf('training loss', report.loss, fixed),
      ...figureOf('answers that end', stop_rate, percent, from(stop_rate_before, percent)),
      ...figureOf('tokens a second', report.tokens_per_second, si),
    ],
  }
}

/** Of the metrics, the start before the first update included. Sources go by the names of their files. */
function pointsOf({ lines, report }: Training): Line[] {
  const sources = [...new Set(lines.flatMap(({ eval_losses }) => Object.keys(eval_losses ?? {})))]
  const names = namesOf(sources)
  const evaluations = lines.flatMap(({ step, eval_loss, eval_losses }): Evaluation[] => {
    if (typeof eval_loss !== 'number') return []
    const losses = sources.map((source, i) => [names[i]!, eval_losses?.[source] ?? Number.NaN])
    return [{ step, loss: eval_loss, losses: Object.fromEntries(losses) }]
  })
  const before = report?.eval_loss_before
  const start = typeof before === 'number' && evaluations.length > 0 ? [{ step: 0, loss: before }] : []
  const losses = lines.map(({ loss }) => loss ?? Number.NaN)
  return lossPoints(losses, [...start, ...evaluations])
}

async function lossChart(run: Training, files: string): Promise<ChartBlock | undefined> {
  const points = pointsOf(run)
  if (points.length < 2) return undefined
  const chart = { title: 'Loss over updates', x: 'updates', y: 'loss', points, themed: true }
  return { kind: 'chart', file: `${files}-loss`, caption: 'Loss', svg: await lineChart(chart) }
}

const COURSES = [
  { key: 'grad_norm', caption: 'Length of the gradient, before clipping' },
  { key: 'lr', caption: 'Learning rate' },
] as const

/** Of long runs each point is one of several hundred. */
const POINTS = 300

async function courseCharts({ lines }: Training, files: string): Promise<ChartBlock[]> {
  const charts: ChartBlock[] = []
  const stretch = Math.ceil(lines.length / POINTS)
  for (const { key, caption } of COURSES) {
    const points = lines.flatMap((line, i) => {
      const y = line[key]
      return typeof y === 'number' && i % stretch === 0 ? [{ x: line.step, y, series: key }] : []
    })
    if (points.length < 2) continue
    const svg = await lineChart({ title: caption, x: 'updates', y: key, points, themed: true })
    charts.push({ kind: 'chart', file: `${files}-${key.replaceAll('_', '-')}`, caption, svg })
  }
  return charts
}

const folded = (blocks: ChartBlock[]): Block => ({
  ...{ kind: 'folded', title: 'Gradient and learning rate' },
  blocks: [{ kind: 'grid', blocks }],
})

export async function perplexityChart(
  report: Report | undefined,
  files: string,
): Promise<ChartBlock | undefined> {
  const found = report?.perplexity
  if (found === undefined || found.histogram.length === 0) return undefined
  const { histogram, max_perplexity: most } = found
  const caption = 'Perplexity of the documents under the starting model'
  const svg = await histogramChart({
    ...{ title: caption, x: 'perplexity', y: 'documents', themed: true },
    bins: histogram.map(({ from, to, documents }) => ({ from, to, count: documents })),
    mark: most === undefined ? undefined : { at: most, name: `max_perplexity ${most}` },
  })
  return { kind: 'chart', file: `${files}-perplexity`, caption, svg }
}

function perplexityWords({ perplexity }: Report): Block[] {
  const line = perplexityLine(perplexity as PerplexityReport)
  return [{ kind: 'prose', text: `${line[0]!.toUpperCase()}${line.slice(1)}.` }]
}

function tableOfRuns(runs: readonly NamedRun<Training>[]): TableBlock {
  const rows = runs.map(({ name, run: { objective, model, steps, lines, report } }) => ({
    ...{ run: name, objective, model, updates: report?.result_step ?? lines.at(-1)?.step ?? 0, of: steps },
    ...{ tokens: report?.tokens ?? null, loss: report?.loss ?? null },
    ...{ before: report?.eval_loss_before ?? null, after: report?.eval_loss ?? null },
    ...{ stop_rate: report?.stop_rate ?? null, tokens_per_second: report?.tokens_per_second ?? null },
  }))
  const columns: TableBlock['columns'] = [
    { key: 'run', title: 'run' },
    { key: 'objective', title: 'objective' },
    { key: 'model', title: 'from' },
    { key: 'updates', title: 'updates' },
    { key: 'of', title: 'of' },
    { key: 'tokens', title: 'tokens', format: si },
    { key: 'loss', title: 'training loss', format: fixed },
    { key: 'before', title: 'held out, before', format: fixed },
    { key: 'after', title: 'held out, after', format: fixed },
    { key: 'stop_rate', title: 'answers that end', format: percent },
    { key: 'tokens_per_second', title: 'tokens a second', format: three },
  ]
  const shown = columns.filter(({ key }) => rows.some((row) => row[key as keyof typeof row] !== null))
  return { kind: 'table', file: 'trainings', caption: 'Runs of training', columns: shown, rows }
}

async function curvesOfRuns(runs: readonly NamedRun<Training>[]): Promise<Block[]> {
  const blocks: ChartBlock[] = []
  for (const series of ['training', 'held out'] as const) {
    const points = runs.flatMap(({ name, run }) =>
      pointsOf(run).flatMap((point) => (point.series === series ? [{ ...point, series: name }] : [])),
    )
    if (new Set(points.map((point) => point.series)).size < 2) continue
    const caption = series === 'training' ? 'Training loss' : 'Held-out loss'
    const svg = await lineChart({ title: caption, x: 'updates', y: 'loss', points, themed: true })
    blocks.push({ kind: 'chart', file: `trainings-${series.replace(' ', '-')}`, caption, svg })
  }
  return blocks.length > 0 ? [{ kind: 'grid', blocks }] : []
}
