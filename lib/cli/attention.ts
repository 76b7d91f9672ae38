import type { AttentionReport } from '../index'
import { library } from './library'
import { DEVICE_OPTIONS, integer, JSON_OPTION, type ModelValues, pick, repeated, sources } from './options'
import { factsText, jsonText, tableText } from './print'
import { defineVerb } from './verb'

interface Values extends Pick<ModelValues, 'device' | 'dtype' | 'threads'> {
  data?: string[]
  pruned?: string
  limit?: number
  seed?: number
}

export default defineVerb<Values>({
  name: 'attention',
  summary: 'tell how the heads of an encoder look: along the diagonal, in columns, all around',
  arguments: [{ name: '<model>', description: 'a model folder, or a run folder, of speech or text' }],
  options: [
    {
      flags: '--data <source>',
      description:
        'sound or texts: a path, or a source as in a config: {path: x.csv, where: {set: test}} (repeatable)',
      parse: repeated,
    },
    {
      flags: '--pruned <run>',
      description: 'a run of compress on this model: also tell when each head left, and what that goes with',
    },
    {
      flags: '--limit <n>',
      description: 'utterances or texts, from the first on; default: all',
      parse: integer,
    },
    { flags: '--seed <n>', description: 'of the permutations behind p values; default: 1', parse: integer },
    ...DEVICE_OPTIONS,
    JSON_OPTION,
  ],
  examples: [
    'attention path/to/melhubert --data speech/test.csv',
    'attention path/to/melhubert --data speech/test.csv --pruned runs/heads --json',
  ],
  async run([folder], values, io) {
    const { attention } = library()
    const report = await attention(folder, {
      data: sources(values.data, '--data'),
      ...pick(values, ['pruned', 'limit', 'seed', 'device', 'dtype', 'threads']),
      ...{ signal: io.signal, onWarning: io.say },
      onProgress: ({ done, total }) =>
        io.progress.update({ label: 'looking', done, total, unit: 'documents' }),
    })
    io.progress.end()
    io.write(io.json ? jsonText(report) : reportText(report))
    return 0
  },
})

function reportText({ heads, pruned, ...facts }: AttentionReport): string {
  const { correlations = [], ...order } = pruned ?? {}
  const parts = [tableText(heads.map(rounded)), factsText({ ...facts, ...(pruned && { pruned: order }) })]
  if (correlations.length > 0) parts.push(tableText(correlations.map(rounded)))
  return parts.join('\n')
}

/** Four digits: for people. */
const rounded = (row: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(row).map(([key, value]) => [
      key,
      typeof value === 'number' ? Number(value.toPrecision(4)) : value,
    ]),
  )
