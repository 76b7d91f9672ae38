/** Where sound comes from, the same under every key that names it. */
import { z } from 'zod'
import { oneOf, text } from './checks'
import { source } from './data'

const { max_invalid } = source.shape

const cell = z.union([z.string(), z.number(), z.boolean()])
const range = z.strictObject({ from: z.number(), to: z.number() })
const where = z.record(text(), z.union([cell, z.array(cell).min(1), range]), {
  error: 'expected a table of columns: { COLUMN: value, [values] or { from, to } }',
})

export const audioSource = z.strictObject({
  path: text().describe(
    'A sound file (.wav, .flac), a folder, a pattern: speech/*.wav, or a manifest (.csv, .tsv, .jsonl) with a row a file.',
  ),
  column: text()
    .optional()
    .describe(
      'Of a manifest: where the path of the file stands; default: path, file or audio, the first that is there.',
    ),
  where: where
    .optional()
    .describe(
      'Of a manifest: the rows that are meant, by column: a value, a list of values, or { from, to } of numbers, both included.',
    ),
  invalid: oneOf(['fail', 'skip'])
    .default('fail')
    .describe('What a file that cannot be used does: it stops the run, or is left out and counted.'),
  max_invalid: max_invalid.describe(
    'How many may be left out: below 1 a share of the files, from 1 on a count.',
  ),
})

export const audioSources = z
  .array(audioSource, { error: 'expected a list of { path }' })
  .min(1, 'expected at least one source')

export type AudioSource = z.infer<typeof audioSource>
export type RowsWhere = z.infer<typeof where>
