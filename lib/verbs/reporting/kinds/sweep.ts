/** A sweep of scales of a chat vector: the curve, and every point that was measured. */
import { z } from 'zod'
import type { TableColumn } from '../../../report/blocks'
import { lineChart } from '../../../report/chart'
import { three } from '../../landscaping/number_text'
import { curveOf } from '../../sweep/report'
import { checked, linesOf } from '../folder'
import { defineKind } from '../kind'
import { count, figureOf, fixed, modelName } from '../words'

const pointSchema = z.looseObject({
  step: z.number(),
  scales: z.record(z.string(), z.number()),
  values: z.record(z.string(), z.number().nullable()),
  score: z.number().nullable().optional(),
})

const reportSchema = z.looseObject({
  by: z.string(),
  search: z.string(),
  points: z.array(pointSchema),
  best: pointSchema,
  within_limits: z.boolean(),
  pareto: z.array(z.number()),
})

type Point = z.output<typeof pointSchema>

interface Sweep {
  target: string
  /** What is scaled: a delta, or the difference of two models. */
  vector: string
  points: Point[]
  report: z.output<typeof reportSchema> | undefined
}

export default defineKind<Sweep>({
  title: 'Sweep of scales',
  looksFor: 'of sweep: resolved.yaml with `objectives`',
  recognises: ({ verb }) => verb === 'sweep',
  async read(folder) {
    const { target, base, chat, delta } = folder.config!
    const vector = delta === undefined ? `(${modelName(chat)} − ${modelName(base)})` : modelName(delta)
    const names = { target: modelName(target), vector }
    const report = folder.report && checked(reportSchema, folder.report, folder, 'report.json')
    return {
      ...names,
      report,
      points: report?.points ?? (await linesOf(pointSchema, folder, 'metrics.jsonl')),
    }
  },
  summary({ target, vector, points, report }) {
    const sentence = `${target} + scale × ${vector}, measured at ${count(points.length, 'point')}.`
    if (report === undefined)
      return { sentence, figures: [], unfinished: `${count(points.length, 'point')} measured` }
    const { best, within_limits } = report
    const scales = Object.entries(best.scales).slice(0, 2)
    return {
      sentence: within_limits ? sentence : `${sentence} No point is within all limits.`,
      figures: [
        ...scales.flatMap(([name, scale]) =>
          figureOf(`best scale${name === 'all' ? '' : `, ${name}`}`, scale, three),
        ),
        ...Object.entries(best.values)
          .slice(0, 2)
          .flatMap(([name, value]) => figureOf(`${name} at the best`, value, fixed)),
      ],
    }
  },
  async details({ points, report }, _, files) {
    const aims = Object.keys(points[0]?.values ?? {})
    const dimensions = Object.keys(points[0]?.scales ?? {})
    const column = (key: string, title: string): TableColumn => ({ key, title, format: fixed })
    const curve = curveOf(
      { aims: aims.map((name) => ({ name })), dimensions: { names: dimensions } },
      { points },
    )
    const caption = dimensions.length === 1 ? 'Loss by scale' : 'Loss by point'
    const svg = await lineChart({ title: caption, y: 'loss', dots: true, themed: true, ...curve })
    const rows = points.map(({ step, scales, values, score }) => ({
      point: step,
      ...Object.fromEntries(dimensions.map((name, i) => [`scale_${i}`, scales[name] ?? null])),
      ...Object.fromEntries(aims.map((name, i) => [`value_${i}`, values[name] ?? null])),
      ...{ score: score ?? null, remark: remarkOf(step, report) },
    }))
    return [
      ...(curve.points.length > 1 ? [{ kind: 'chart', file: `${files}-curve`, caption, svg } as const] : []),
      {
        ...{ kind: 'table', file: `${files}-points`, caption: 'All points', rows },
        columns: [
          { key: 'point', title: 'point' },
          ...dimensions.map((name, i) => column(`scale_${i}`, name === 'all' ? 'scale' : `scale, ${name}`)),
          ...aims.map((name, i) => ({ ...column(`value_${i}`, name), best: 'least' as const })),
          ...(report ? [{ ...column('score', 'score'), best: 'least' as const }] : []),
          { key: 'remark', title: '' },
        ],
      },
    ]
  },
})

function remarkOf(step: number, report: Sweep['report']): string {
  if (report === undefined) return ''
  return [report.best.step === step ? 'best' : '', report.pareto.includes(step) ? 'Pareto front' : '']
    .filter((word) => word !== '')
    .join(', ')
}
