/** The rows of an aligned vocabulary as a table, for people. */
import type { VectorTable, VocabularyReport } from '../text/alignment/table'
import { tableText } from './print'

const EXAMPLES = 5

/** What each fate of a row means, in the words of a table. */
const FATES = {
  matched: 'matched: gets the delta',
  target_only: 'kept: in the target only',
  not_in_base: 'kept: not in the base',
  not_in_chat: 'kept: not in the chat model',
  padding: 'kept: no token',
  added: 'added from the chat model',
} as const

export function vocabularyText(report: VocabularyReport): string {
  const { identical, rows, not_added, vectors } = report
  if (identical) return `vocabulary  the same in all models, ${rows.after} rows\n`
  const grown = rows.after > rows.before ? `${rows.before} -> ${rows.after}` : rows.after
  const lines = vectors.map(
    (table, i) =>
      `vocabulary${vectors.length > 1 ? ` of vector ${i + 1}` : ''}  ${grown} rows\n${indented(fates(table))}`,
  )
  const unused =
    not_added.count > 0
      ? `not added   ${not_added.count} tokens that no conversation uses: ${quoted(not_added.examples)}\n`
      : ''
  return lines.join('') + unused
}

function fates({ rows: { matched, kept, added }, examples }: VectorTable): string {
  const counts = { matched, ...kept, added }
  const shown = Object.entries(FATES).filter(([fate]) => counts[fate as keyof typeof FATES] > 0)
  return tableText(
    shown.map(([fate, rows]) => ({
      rows,
      count: counts[fate as keyof typeof FATES],
      examples: quoted(examples[fate as keyof typeof FATES] ?? []),
    })),
  )
}

const quoted = (tokens: readonly string[]) =>
  tokens
    .slice(0, EXAMPLES)
    .map((token) => JSON.stringify(token))
    .join(' ')

const indented = (text: string) => text.replaceAll(/^(?=.)/gm, '  ')
