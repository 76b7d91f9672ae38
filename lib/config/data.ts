/** Where text comes from, the same under every key that names data. */
import { z } from 'zod'
import { oneOf, positive, text } from './checks'

export const source = z.strictObject({
  path: text().describe(
    'A file (.txt, .md, .jsonl, .json, .parquet, packed as .gz or .zst), a folder, or a pattern: data/*.jsonl.',
  ),
  format: oneOf(['text', 'messages', 'alpaca', 'sharegpt', 'pairs', 'preference'])
    .optional()
    .describe('What a record holds; guessed from the first records and shown.'),
  field: text().optional().describe('Key of the text in records of format text; default: text.'),
  split: oneOf(['paragraph', 'line', 'file'])
    .optional()
    .describe('Where plain text is cut into documents; default: paragraph.'),
  weight: positive()
    .default(1)
    .describe('How often each document is seen an epoch; 0.5 takes a seeded half of them.'),
})

export const sources = z
  .array(source, { error: 'expected a list of { path }' })
  .min(1, 'expected at least one source')

export type DataSource = z.infer<typeof source>
