/** Where text comes from, the same under every key that names data. */
import { z } from 'zod'
import { oneOf, positive, share, text } from './checks'

const files = {
  path: text().describe(
    'A file (.txt, .md, .jsonl, .json, .parquet, packed as .gz or .zst), a folder, or a pattern: data/*.jsonl. For a speech encoder: .wav, .flac, or a manifest of them (.csv, .tsv, .jsonl).',
  ),
  format: oneOf(['text', 'messages', 'alpaca', 'sharegpt', 'pairs', 'preference'])
    .optional()
    .describe('What a record holds; guessed from the first records and shown.'),
  field: text()
    .optional()
    .describe(
      'Key of the text in records of format text; default: text. Of a manifest of sound, the column of paths.',
    ),
  split: oneOf(['paragraph', 'line', 'file'])
    .optional()
    .describe('Where plain text is cut into documents; default: paragraph.'),
  invalid: oneOf(['fail', 'skip'])
    .default('fail')
    .describe('What a record that cannot be read does: it stops the run, or is left out and counted.'),
  max_invalid: z
    .number({ error: 'expected a number from 0' })
    .min(0, 'expected a number from 0')
    .default(0.01)
    .describe('How many may be left out: below 1 a share of the records, from 1 on a count.'),
}

export const source = z.strictObject({
  ...files,
  weight: positive()
    .default(1)
    .describe('How often each document is seen an epoch; 0.5 takes a seeded half of them.'),
})

export const sources = z
  .array(source, { error: 'expected a list of { path }' })
  .min(1, 'expected at least one source')

/** Of texts that are read once, where weights mean nothing. */
export const textSources = z
  .array(z.strictObject(files), { error: 'expected a list of { path }' })
  .min(1, 'expected at least one source')

export const replaySource = z.strictObject({
  ...files,
  share: share().gt(0, 'expected a number above 0').describe('Part of all rows that come from here.'),
})

export const replaySources = z
  .array(replaySource, { error: 'expected a list of { path, share }' })
  .min(1, 'expected at least one source')
  .refine(
    (list) => list.reduce((sum, { share }) => sum + share, 0) < 1,
    'expected shares that sum to less than 1',
  )

export type DataSource = z.infer<typeof source>
export type ReplaySource = z.infer<typeof replaySource>
export type FileSource = Omit<DataSource, 'weight'>
