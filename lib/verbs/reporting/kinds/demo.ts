/** The demo: what was claimed, and what came out. */
import { z } from 'zod'
import type { Block, TableColumn } from '../../../report/blocks'
import { lineChart } from '../../../report/chart'
import { checked } from '../folder'
import { defineKind } from '../kind'
import { count, figureOf, fixed } from '../words'

const claimSchema = z.looseObject({
  claim: z.string(),
  expected: z.string(),
  measured: z.string(),
  holds: z.boolean(),
})
const reportSchema = z.looseObject({
  ...{ seed: z.number(), training_seconds: z.number(), parameters: z.number(), claims: z.array(claimSchema) },
  table: z.array(z.looseObject({ model: z.string() }).catchall(z.union([z.number(), z.string()]).nullable())),
})

type Demo = z.output<typeof reportSchema>

export default defineKind<Demo>({
  title: 'Demo',
  looksFor: 'of demo: report.json with `claims` and `table`',
  recognises: ({ report }) => report !== undefined && 'claims' in report && 'table' in report,
  read: async (folder) => checked(reportSchema, folder.report, folder, 'report.json'),
  summary({ claims, parameters, seed, table }) {
    const held = claims.filter(({ holds }) => holds).length
    return {
      sentence:
        `A Llama of ${parameters.toLocaleString('en')} parameters in a world of two languages, seed ${seed}. One seed is an ` +
        'anecdote: refusals and right answers in B vary widely with it.',
      figures: [
        ...figureOf('claims that hold', held, String, `of ${claims.length}`),
        ...figureOf('models', table.length, String),
      ],
    }
  },
  async details({ claims, table }, _, files) {
    const keys = Object.keys(table[0] ?? {}).filter((key) => key !== 'model')
    const measure = (key: string): TableColumn => ({
      ...{ key, title: titleOf(key), format: key.startsWith('ppl') ? fixed : wholePercent },
      best: /^(ppl|rep|mixed)/.test(key) ? 'least' : 'most',
    })
    return [
      {
        ...{
          kind: 'table',
          file: `${files}-claims`,
          caption: `${count(claims.length, 'claim')} and what came out`,
        },
        columns: [
          { key: 'claim', title: 'claim', prose: true },
          { key: 'expected', title: 'sign, set beforehand', prose: true },
          { key: 'measured', title: 'measured', prose: true },
          { key: 'holds', title: 'holds', format: (holds: boolean) => (holds ? 'yes' : 'no') },
        ],
        rows: claims.map(({ claim, expected, measured, holds }) => ({ claim, expected, measured, holds })),
      },
      {
        ...{ kind: 'table', file: `${files}-measures`, caption: 'All measures', rows: table },
        columns: [{ key: 'model', title: 'model' }, ...keys.map(measure)],
      },
      { kind: 'prose', text: LEGEND },
      ...(await sweepChart(table, files)),
    ]
  },
})

const wholePercent = (share: number) => `${Math.round(100 * share)} %`

const TITLES: Readonly<Record<string, string>> = {
  ...{ lid: 'language', stop: 'stops', ref: 'refuses', ok: 'right', rep: 'repeats', ppl: 'ppl' },
}

/** `lid_b` is `language, B`. */
function titleOf(key: string): string {
  const [, measure = key, language = ''] = /^(.*)_([ab])$/.exec(key) ?? []
  return [TITLES[measure] ?? measure.replaceAll('_', ' '), language.toUpperCase()].filter(Boolean).join(', ')
}

const LEGEND =
  'Prompts in A, prompts in B: answers in the language of the prompt, answers that end by themselves, harmful requests ' +
  'refused, right answers in the language of the prompt, repeated runs of four words, perplexity of a word of held-out ' +
  'text. cp is the base model after plain text: it has never seen a chat.'

/** What is drawn over the scale of the chat vector. */
const DRAWN = ['lid_b', 'stop_b', 'ref_b', 'ok_b']

/** From cp, which has none of the vector, to its largest scale. */
async function sweepChart(table: Demo['table'], files: string): Promise<Block[]> {
  const sweep = table.flatMap((row) => {
    const scale = row.model === 'cp' ? '0' : /^cp_vector_(.+)$/.exec(row.model)?.[1]
    return scale === undefined ? [] : [{ row, x: Number(scale) }]
  })
  if (sweep.length < 2) return []
  const points = DRAWN.flatMap((key) =>
    sweep.map(({ row, x }) => ({ x, y: Number(row[key]), series: titleOf(key) })),
  )
  const caption = 'cp and the chat vector, by its scale'
  const axes = { x: 'scale of chat − base', y: 'share', share: true }
  const svg = await lineChart({ title: caption, ...axes, points, dots: true, themed: true })
  return [{ kind: 'chart', file: `${files}-scales`, caption, svg }]
}
