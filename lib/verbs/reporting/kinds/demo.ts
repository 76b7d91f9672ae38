/** The demo: what was claimed, and what came out. */
import { z } from 'zod'
import type { TableColumn } from '../../../report/blocks'
import { checked } from '../folder'
import { defineKind } from '../kind'
import { count, durationText, figureOf, fixed, percent } from '../words'

const claimSchema = z.looseObject({
  claim: z.string(),
  expected: z.string(),
  measured: z.string(),
  holds: z.boolean(),
})
const answerSchema = z.looseObject({ prompt: z.string(), answer: z.string() })
const reportSchema = z.looseObject({
  ...{ seed: z.number(), training_seconds: z.number(), parameters: z.number(), claims: z.array(claimSchema) },
  table: z.array(z.looseObject({ model: z.string() }).catchall(z.union([z.number(), z.string()]).nullable())),
  samples: z.record(z.string(), z.array(answerSchema)).optional(),
})

export default defineKind<z.output<typeof reportSchema>>({
  title: 'Demo',
  looksFor: 'of demo: report.json with `claims` and `table`',
  recognises: ({ report }) => report !== undefined && 'claims' in report && 'table' in report,
  read: async (folder) => checked(reportSchema, folder.report, folder, 'report.json'),
  summary({ claims, parameters, training_seconds, table }) {
    const held = claims.filter(({ holds }) => holds).length
    return {
      sentence: `Two papers in miniature: a Llama of ${parameters.toLocaleString('en')} parameters in a world of two languages.`,
      figures: [
        ...figureOf('claims that hold', held, String, `of ${claims.length}`),
        ...figureOf('models', table.length, String),
        ...figureOf('training', training_seconds, durationText),
      ],
    }
  },
  async details({ claims, table, samples = {} }, _, files) {
    const keys = Object.keys(table[0] ?? {}).filter((key) => key !== 'model')
    const measure = (key: string): TableColumn => ({
      ...{ key, title: key.replaceAll('_', ' '), format: key.startsWith('ppl') ? fixed : percent },
      best: /^(ppl|rep|mixed)/.test(key) ? 'least' : 'most',
    })
    const prompts = [...new Set(Object.values(samples).flatMap((said) => said.map(({ prompt }) => prompt)))]
    const talks = prompts.map((prompt) => ({
      prompt,
      answers: Object.entries(samples).flatMap(([from, said]) =>
        said.filter((one) => one.prompt === prompt).map(({ answer }) => ({ from, text: answer, note: '' })),
      ),
    }))
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
      ...(talks.length > 0
        ? [{ kind: 'talk', file: `${files}-answers`, caption: 'Some answers', talks } as const]
        : []),
    ]
  },
})
