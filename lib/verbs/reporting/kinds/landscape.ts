/** A landscape of compression: quality against costs, and every point. */
import { z } from 'zod'
import type { LandscapeConfig } from '../../../config/landscape'
import type { Block, GridBlock } from '../../../report/blocks'
import { type Look, looksOf } from '../../../report/trade_off'
import { costCharts, qualitiesOf } from '../../landscaping/charts'
import { inUnits, milliseconds, si, three } from '../../landscaping/number_text'
import { methodSentences, zerosSentence } from '../../landscaping/page_method'
import { pointName } from '../../landscaping/page_table'
import { qualityOf } from '../../landscaping/qualities'
import type { LandscapePoint, PointRecord } from '../../landscaping/record'
import { frontsWith, type LandscapeReport, reportOf } from '../../landscaping/report'
import { checked, type Folder, linesOf } from '../folder'
import { defineKind, type Summary } from '../kind'
import { count, figureOf, fixed, modelName, percent } from '../words'

const seconds = z.looseObject({ min: z.number() })
const macs = z.looseObject({ core: z.number(), superb: z.number() })

const share = z.number().optional()

const placeSchema = z.looseObject({
  step: z.number(),
  point: z.string(),
  technique: z.string(),
  rate: z.union([z.number(), z.string(), z.record(z.string(), z.unknown())]).nullable(),
})
const pointSchema = placeSchema.extend({
  loss: z.number().nullable(),
  perplexity: z.number().nullable(),
  parameters: z.looseObject({ total: z.number(), nonzero: z.number() }),
  bytes: z.number(),
  macs: macs.extend({ tokens: z.number(), effective: macs.nullable().optional() }),
  speed: z.looseObject({
    ...{ prefill_seconds: seconds, decode_seconds: seconds.nullable(), request_seconds: seconds },
    ...{ prefill_relative: z.number(), request_relative: z.number(), real_time_factor: seconds.optional() },
  }),
  loads_in: z.string(),
  seconds: z.number(),
  probes: z
    .array(
      z.looseObject({
        ...{ name: z.string(), kind: z.enum(['utterance', 'frames', 'sequence']), layers: z.unknown() },
        train: z.looseObject({ n: z.number() }),
        test: z.looseObject({ n: z.number(), accuracy: share, frame_accuracy: share, error_rate: share }),
      }),
    )
    .optional(),
})
const failedSchema = placeSchema.extend({
  error: z.looseObject({ code: z.string(), message: z.string() }),
})
const reportSchema = z.looseObject({
  points: z.array(pointSchema).min(1),
  failed: z.array(failedSchema),
})

/** Of resolved.yaml: what the sentences on measuring are made of. */
const configSchema = z.looseObject({
  model: z.string(),
  evaluate: z.looseObject({
    data: z.array(z.looseObject({ path: z.string() })),
    sequence_length: z.number(),
  }),
  measure: z.looseObject({ warmup: z.number(), repeats: z.number(), threads: z.number() }),
  probe: z.looseObject({ probes: z.array(z.looseObject({ name: z.string() })) }).optional(),
})

interface Landscape {
  report: LandscapeReport
  config: LandscapeConfig
  finished: boolean
}

export default defineKind<Landscape | undefined>({
  title: 'Compression landscape',
  looksFor: 'of landscape: resolved.yaml with `verb: landscape`',
  recognises: ({ verb }) => verb === 'landscape',
  async read(folder) {
    const config = checked(configSchema, folder.config, folder, 'resolved.yaml') as unknown as LandscapeConfig
    if (folder.report === undefined) {
      const lines = await linesOf(z.union([pointSchema, failedSchema]), folder, 'metrics.jsonl')
      return landscapeOf(lines, config, false)
    }
    const { points, failed } = checked(reportSchema, folder.report, folder, 'report.json')
    return landscapeOf([...points, ...failed], config, true)
  },
  summary: (run, { config }) => (run ? summaryOf(run) : nothingYet(config)),
  async details(run, _, files) {
    if (run === undefined) return []
    const looks = looksOf(run.report.points.map(({ technique }) => technique))
    const zeros = zerosSentence(run.report)
    const words: Block[] = [READING, ...(zeros === undefined ? [] : [zeros])].map(prose)
    return [
      ...(await chartsOf(run.report, looks, files)),
      ...words,
      ...tables(run.report, files),
      methodOf(run),
    ]
  },
})

const prose = (text: string): Block => ({ kind: 'prose', text })

const READING =
  'Each sign is a model; lower and further left is better. Rings mark the Pareto front, joined by the dashed line: no ' +
  'other model is as good and as cheap, and better in one of the two.'

type Line = z.output<typeof pointSchema> | z.output<typeof failedSchema>

/** Nothing before the model that all start from has been measured: it is what others are held against. */
function landscapeOf(
  lines: readonly Line[],
  config: LandscapeConfig,
  finished: boolean,
): Landscape | undefined {
  const [first] = lines
  if (first === undefined || 'error' in first || first.step !== 0) return undefined
  const { real_time_factor, decode_seconds } = (first as z.output<typeof pointSchema>).speed
  const kind = real_time_factor ? 'speech' : decode_seconds ? 'decoder' : 'encoder'
  const session = { kind, measured: 0, seconds: 0 } as const
  return { report: reportOf(lines as unknown as PointRecord[], config, session), config, finished }
}

const nothingYet = (config: Folder['config']): Summary => ({
  ...{
    sentence: `Compressions of ${modelName(config?.model)}.`,
    figures: [],
    unfinished: 'nothing measured',
  },
})

function summaryOf({ report, config, finished }: Landscape): Summary {
  const { points, failed, kind } = report
  const quality = qualityOf(kind)
  const [original, ...others] = points as [LandscapePoint, ...LandscapePoint[]]
  const start = quality.of(original)
  const techniques = new Set(others.map(({ technique }) => technique)).size
  // The smallest model whose loss is as good as that of all, but for a tenth.
  const good = others.filter(({ loss }) => loss !== null && loss <= 1.1 * (original.loss ?? Number.NaN))
  const least = good.reduce<LandscapePoint | undefined>(
    (found, point) => (found && found.parameters.nonzero <= point.parameters.nonzero ? found : point),
    undefined,
  )
  const share = least && least.parameters.nonzero / original.parameters.nonzero
  const lost = failed.length > 0 ? `; ${count(failed.length, 'point')} failed` : ''
  return {
    sentence: `${count(others.length, 'model')} made of ${modelName(config.model)} by ${count(techniques, 'technique')}${lost}.`,
    figures: [
      ...figureOf(`${quality.title} of the original`, start, fixed),
      ...figureOf('parameters of the original', original.parameters.total, si),
      ...figureOf(
        'smallest with a loss within 10 %',
        share,
        (part) => `${three(100 * part)} %`,
        least && pointName(least),
      ),
    ],
    ...(!finished && { unfinished: `${count(points.length, 'point')} measured` }),
  }
}

async function chartsOf(
  report: LandscapeReport,
  looks: ReadonlyMap<string, Look>,
  files: string,
): Promise<GridBlock[]> {
  const grids: GridBlock[] = []
  for (const [i, charted] of qualitiesOf(report).entries()) {
    const blocks: GridBlock['blocks'] = []
    for (const { cost, title, svg, withLegend } of await costCharts(charted, report, looks))
      blocks.push({
        ...{
          kind: 'chart',
          file: `${files}-${i === 0 ? '' : `probe-${i}-`}${cost.replaceAll('_', '-')}`,
          svg,
        },
        caption: `${charted.quality.heading} against ${title}`,
        alone: await withLegend(),
      })
    const legend = [...looks].map(([name, { sign, colour }]) => ({ sign, colour, name }))
    grids.push({ kind: 'grid', blocks, legend })
  }
  return grids
}

function tables(report: LandscapeReport, files: string): Block[] {
  const { points, failed, fronts, kind } = report
  const [, ...probed] = qualitiesOf(report)
  const quality = qualityOf(kind)
  const rows = points.map((point) => ({
    ...{ model: pointName(point), quality: quality.of(point), nonzero: point.parameters.nonzero },
    ...{
      total: point.parameters.total,
      bytes: point.bytes,
      core: point.macs.core,
      superb: point.macs.superb,
    },
    effective: point.macs.effective?.core ?? null,
    prefill_seconds: point.speed.prefill_seconds.min,
    decode_seconds: point.speed.decode_seconds?.min ?? null,
    real_time_factor: point.speed.real_time_factor?.min ?? null,
    ...Object.fromEntries(probed.map(({ quality: { of } }, i) => [`probe_${i + 1}`, of(point)])),
    time: point.speed.request_relative,
    ...{ fronts: frontsWith(fronts, point.point).join(', '), loads_in: point.loads_in },
  }))
  const all: Block = {
    ...{ kind: 'table', file: `${files}-points`, caption: 'All points', rows },
    columns: [
      { key: 'model', title: 'model' },
      { key: 'quality', title: quality.title, format: fixed },
      ...probed.map(({ quality: { title } }, i) => ({ key: `probe_${i + 1}`, title, format: percent })),
      { key: 'nonzero', title: 'parameters not zero', format: inUnits },
      { key: 'total', title: 'parameters', format: inUnits },
      { key: 'bytes', title: 'bytes', format: inUnits },
      { key: 'core', title: 'MACs, core', format: inUnits },
      { key: 'superb', title: 'MACs, SUPERB', format: inUnits },
      { key: 'effective', title: 'MACs effective', format: inUnits },
      {
        key: 'prefill_seconds',
        title: kind === 'speech' ? 'a pass, ms' : 'prompt, ms',
        format: milliseconds,
      },
      ...(kind === 'decoder'
        ? [{ key: 'decode_seconds', title: 'a token more, ms', format: milliseconds }]
        : []),
      ...(kind === 'speech' ? [{ key: 'real_time_factor', title: 'real-time factor', format: three }] : []),
      { key: 'time', title: 'time, original = 1', format: three },
      { key: 'fronts', title: 'on the front of' },
      { key: 'loads_in', title: 'loads in' },
    ],
  }
  if (failed.length === 0) return [all]
  const lost = failed.map(({ point, error: { code, message } }) => ({ point, why: `${code}: ${message}` }))
  const columns = [
    { key: 'point', title: 'point' },
    { key: 'why', title: 'why', prose: true },
  ]
  return [all, { kind: 'table', file: `${files}-failed`, caption: 'What failed', columns, rows: lost }]
}

const methodOf = ({ config, report }: Landscape): Block => ({
  ...{ kind: 'folded', title: 'How it was measured' },
  blocks: methodSentences(config, report).map(prose),
})
