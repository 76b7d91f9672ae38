/** Clusters of frames of sound, which a masked pre-training foretells. */
import { z } from 'zod'
import { lineChart } from '../../../report/chart'
import { checked } from '../folder'
import { defineKind } from '../kind'
import { durationText, figureOf, fixed, modelName, percent } from '../words'

const reportSchema = z.looseObject({
  ...{ utterances: z.number(), seconds: z.number(), frames: z.number(), width: z.number() },
  ...{ clusters: z.number(), labels: z.number(), used: z.number(), most: z.number(), least: z.number() },
  ...{ entropy: z.number(), inertia: z.number(), inertia_learnt: z.number(), course: z.array(z.number()) },
  seconds_taken: z.number(),
})

interface Clusters {
  of: string
  report: z.output<typeof reportSchema> | undefined
}

export default defineKind<Clusters>({
  title: 'Clusters of sound',
  looksFor: 'of clusters: resolved.yaml with `verb: clusters`',
  recognises: ({ verb }) => verb === 'clusters',
  async read(folder) {
    const { model, layer } = folder.config!
    const of = model === undefined ? 'log-Mel features' : `layer ${layer} of ${modelName(model)}`
    const report = folder.report && checked(reportSchema, folder.report, folder, 'report.json')
    return { of, report }
  },
  summary({ of, report }) {
    if (report === undefined)
      return { sentence: `Clusters of ${of}.`, figures: [], unfinished: 'no report yet' }
    const { utterances, seconds, clusters, used, entropy, inertia } = report
    return {
      sentence: `${clusters} clusters of ${of}, learnt from ${utterances} utterances, ${durationText(seconds)} of sound.`,
      figures: [
        ...figureOf('clusters in use', used, String, `of ${clusters}`),
        ...figureOf(
          'entropy of the labels',
          entropy / Math.log(clusters),
          percent,
          'of what even use would give',
        ),
        ...figureOf('distance from the centre, squared', inertia, fixed),
      ],
    }
  },
  async details({ report }, _, files) {
    if (report === undefined) return []
    const { frames, width, labels, most, least, course, inertia_learnt, seconds_taken } = report
    const points = course.map((y, x) => ({ x, y, series: 'mean squared distance' }))
    const caption = 'Distance from the nearest centre, by step'
    const chart = { title: caption, x: 'step', y: 'mean squared distance', points, dots: true, themed: true }
    const facts = { frames, width, labels, most, least, inertia_learnt, seconds_taken }
    return [
      ...(points.length > 1
        ? [{ kind: 'chart', file: `${files}-course`, caption, svg: await lineChart(chart) } as const]
        : []),
      {
        ...{ kind: 'table', file: `${files}-figures`, caption: 'Figures' },
        columns: [
          { key: 'figure', title: 'figure' },
          { key: 'value', title: 'value', format: (value: number) => value.toLocaleString('en') },
        ],
        rows: Object.entries(facts).map(([key, value]) => ({
          figure: FIGURES[key as keyof typeof facts],
          value,
        })),
      },
    ]
  },
})

const FIGURES = {
  frames: 'frames',
  width: 'numbers a frame',
  labels: 'labels written',
  most: 'labels of the largest cluster',
  least: 'labels of the smallest cluster',
  inertia_learnt: 'mean squared distance, learnt frames',
  seconds_taken: 'seconds taken',
}
