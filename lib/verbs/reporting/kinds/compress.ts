/** A pipeline of compression: what each stage has left of the model. */
import { z } from 'zod'
import type { Block } from '../../../report/blocks'
import { lineChart } from '../../../report/chart'
import { inUnits, si, three } from '../../landscaping/number_text'
import { checked, linesOf } from '../folder'
import { defineKind, type NamedRun } from '../kind'
import { bytesText, count, durationText, figureOf, fixed, modelName, percent } from '../words'

const macs = z.looseObject({ core: z.number() })
const stageSchema = z.looseObject({
  step: z.number(),
  stage: z.string(),
  method: z.string(),
  parameters: z.looseObject({ total: z.number(), nonzero: z.number() }),
  bytes: z.number(),
  macs: macs.extend({ tokens: z.number(), effective: macs.nullable().optional() }),
  loss: z.number().nullable().optional(),
  perplexity: z.number().nullable().optional(),
  seconds: z.number(),
})
const reportSchema = z.looseObject({
  stages: z.array(stageSchema).min(1),
  loads_in: z.string(),
  seconds: z.number(),
})

type Stage = z.output<typeof stageSchema>

interface Compression {
  model: string
  asked: number
  stages: Stage[]
  report: z.output<typeof reportSchema> | undefined
}

export default defineKind<Compression>({
  title: 'Compression',
  looksFor: 'of compress: resolved.yaml with `verb: compress`',
  recognises: ({ verb }) => verb === 'compress',
  async read(folder) {
    const { model, stages } = folder.config!
    const report = folder.report && checked(reportSchema, folder.report, folder, 'report.json')
    return {
      ...{ model: modelName(model), asked: Array.isArray(stages) ? stages.length : 0, report },
      stages: report?.stages ?? (await linesOf(stageSchema, folder, 'metrics.jsonl')),
    }
  },
  summary({ model, asked, stages, report }) {
    const [first, last] = [stages[0], stages.at(-1)]
    const methods = [...new Set(stages.slice(1).map(({ method }) => method))].join(', ')
    const part = (of: (stage: Stage) => number) => first && last && of(last) / of(first)
    const from = (of: (stage: Stage) => string) => first && `from ${of(first)}`
    return {
      sentence: `${model} made smaller${methods === '' ? '' : ` by ${methods}`}${report ? ` in ${durationText(report.seconds)}; loads in ${report.loads_in}` : ''}.`,
      figures: [
        ...figureOf(
          'parameters',
          last?.parameters.nonzero,
          si,
          from(({ parameters }) => si(parameters.nonzero)),
        ),
        ...figureOf(
          'bytes of the weights',
          last?.bytes,
          bytesText,
          from(({ bytes }) => bytesText(bytes)),
        ),
        ...figureOf(
          'MACs of a pass',
          part(({ macs: { core } }) => core),
          percent,
          'of the original',
        ),
        ...figureOf(
          'perplexity',
          last?.perplexity,
          fixed,
          first?.perplexity ? `from ${fixed(first.perplexity)}` : undefined,
        ),
      ],
      ...(report === undefined && {
        unfinished: `${count(Math.max(stages.length - 1, 0), 'record')} of ${count(asked, 'stage')}`,
      }),
    }
  },
  async details({ stages }, _, files) {
    if (stages.length === 0) return []
    return [...(await sizesChart(stages, files)), tableOfStages(stages, files)]
  },
  together: async (runs) => [tableOfRuns(runs)],
})

async function sizesChart(stages: readonly Stage[], files: string): Promise<Block[]> {
  const [first] = stages
  if (stages.length < 2) return []
  const sizes: [string, (stage: Stage) => number][] = [
    ['parameters not zero', ({ parameters }) => parameters.nonzero],
    ['bytes', ({ bytes }) => bytes],
    ['MACs', ({ macs: { core } }) => core],
  ]
  const points = sizes.flatMap(([series, of]) =>
    stages.map((stage) => ({ x: stage.step, y: of(stage) / of(first!), series })),
  )
  const caption = 'What each stage has left, as a share of the original'
  const svg = await lineChart({
    title: caption,
    x: 'stage',
    y: 'share',
    points,
    dots: true,
    share: true,
    themed: true,
  })
  return [{ kind: 'chart', file: `${files}-sizes`, caption, svg }]
}

function tableOfStages(stages: readonly Stage[], files: string): Block {
  const rows = stages.map(
    ({ stage, method, parameters, bytes, macs: { core, effective }, loss, perplexity, seconds }) => ({
      ...{ stage, method, nonzero: parameters.nonzero, total: parameters.total, bytes, core },
      ...{ effective: effective?.core ?? null, loss: loss ?? null, perplexity: perplexity ?? null, seconds },
    }),
  )
  const measured = stages.some(({ loss }) => typeof loss === 'number')
  return {
    ...{ kind: 'table', file: `${files}-stages`, caption: 'Stages', rows },
    columns: [
      { key: 'stage', title: 'after' },
      { key: 'nonzero', title: 'parameters not zero', format: inUnits },
      { key: 'total', title: 'parameters', format: inUnits },
      { key: 'bytes', title: 'bytes', format: inUnits },
      { key: 'core', title: 'MACs, core', format: inUnits },
      { key: 'effective', title: 'MACs effective', format: inUnits },
      ...(measured
        ? [
            { key: 'loss', title: 'held-out loss', format: fixed },
            { key: 'perplexity', title: 'perplexity', format: fixed },
          ]
        : []),
      { key: 'seconds', title: 'seconds', format: three },
    ],
  }
}

function tableOfRuns(runs: readonly NamedRun<Compression>[]): Block {
  const rows = runs.flatMap(({ name, run: { stages } }) => {
    const [first, last] = [stages[0], stages.at(-1)]
    if (first === undefined || last === undefined) return []
    const { parameters, bytes, macs: counted } = last
    return [
      {
        ...{ run: name, nonzero: parameters.nonzero, share: parameters.nonzero / first.parameters.nonzero },
        ...{
          bytes,
          core: counted.core,
          speed: counted.core / first.macs.core,
          perplexity: last.perplexity ?? null,
        },
      },
    ]
  })
  return {
    ...{ kind: 'table', file: 'compressions', caption: 'Compressed models', rows },
    columns: [
      { key: 'run', title: 'run' },
      { key: 'nonzero', title: 'parameters not zero', format: inUnits },
      { key: 'share', title: 'of the original', format: percent },
      { key: 'bytes', title: 'bytes', format: inUnits },
      { key: 'core', title: 'MACs, core', format: inUnits },
      { key: 'speed', title: 'of the original', format: percent },
      { key: 'perplexity', title: 'perplexity', format: fixed, best: 'least' },
    ],
  }
}
