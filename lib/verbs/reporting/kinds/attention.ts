/** How the heads of an encoder look, where the report of `attention` was saved as report.json. */
import { z } from 'zod'
import { lineChart } from '../../../report/chart'
import { three } from '../../landscaping/number_text'
import { checked } from '../folder'
import { defineKind } from '../kind'
import { count, figureOf } from '../words'

const headSchema = z.looseObject({
  ...{ layer: z.number(), head: z.number(), diagonality: z.number() },
  ...{ step: z.number().nullable().optional(), score: z.number().optional() },
})
const correlation = z.looseObject({ with: z.string(), rho: z.number().nullable().optional() })
const reportSchema = z.looseObject({
  ...{ architecture: z.string(), spread: z.number(), heads: z.array(headSchema).min(1) },
  pruned: z
    .looseObject({ removed: z.number(), correlations: z.array(correlation), refused: z.string().optional() })
    .optional(),
})

export default defineKind<z.output<typeof reportSchema>>({
  title: 'Attention',
  looksFor: 'of attention: report.json with what attention --json prints',
  recognises: ({ verb, report }) =>
    verb === 'attention' || (report !== undefined && 'architecture' in report && 'heads' in report),
  read: async (folder) => checked(reportSchema, folder.report, folder, 'report.json'),
  summary: ({ architecture, heads, spread, pruned }) => ({
    sentence: `The shapes of ${count(heads.length, 'head')} of a ${architecture}.${pruned?.refused ? ` ${pruned.refused}.` : ''}`,
    figures: [
      ...figureOf('spread of diagonality', spread, three),
      ...figureOf('heads that left', pruned?.removed, String),
    ],
  }),
  async details({ heads }, _, files) {
    const caption = 'Diagonality by layer'
    const points = heads.map(({ layer, head, diagonality }) => ({
      x: layer,
      y: diagonality,
      series: `head ${head}`,
    }))
    const svg = await lineChart({
      title: caption,
      x: 'layer',
      y: 'diagonality',
      points,
      dots: true,
      themed: true,
    })
    const rows = heads.map(({ layer, head, diagonality, step, score }) => ({
      ...{ head: `${layer}.${head}`, diagonality, step: step ?? null, score: score ?? null },
    }))
    return [
      { kind: 'chart', file: `${files}-diagonality`, caption, svg },
      {
        ...{ kind: 'table', file: `${files}-heads`, caption: 'Heads', rows },
        columns: [
          { key: 'head', title: 'layer.head' },
          { key: 'diagonality', title: 'diagonality', format: three },
          { key: 'step', title: 'left with stage' },
          { key: 'score', title: 'worth', format: three },
        ],
      },
    ]
  },
})
