/**
 * The vocabularies of a chat vector, brought together by token: `out = target + scale * (chat - base)` holds for rows
 * of the same token, wherever they stand in the three models.
 */
import { TongueforgeError } from '../../errors'
import type { NewSpecialToken } from '../special_tokens'
import { type Addition, controlTokens, type Rows, type UsedTokens, usedTokens } from './control_tokens'
import { withSpecialTokens } from './extended_tokenizer'
import { type EmbeddingOf, tokenizerOf, vocabulariesOf, whoseRows, withoutTokenizer } from './reading'
import { alignRows, type ResultRows, type RowMaps, type VectorOf, type VectorRows } from './rows'
import { firstOf, identityTable, type VocabularyReport, vectorTables } from './table'

export interface Alignment {
  /** Of the result. */
  num_rows: number
  /** Absent: the rows of the result are those of the target. */
  rows?: ResultRows
  /** For each vector; empty tables: the rows of base and chat model are those of the target. */
  vectors: Partial<VectorRows>[]
  /** Tokens that the target's tokenizer.json lacks, and the one that has them, where there are any. */
  special: NewSpecialToken[]
  tokenizerJson?: string
  /** The id in the result of a token of the first chat model; undefined: the result has no such token. */
  resultId(chatId: number): number | undefined
  /** Whether a string is a token of the result. */
  has(token: string): boolean
  report: VocabularyReport
}

/**
 * Reads the tokenizers of all models. Where all have the same tokens in the same rows there is nothing to look up, and
 * padding rows are grafted as any other. A model without tokenizer.json is taken to have the target's vocabulary, if it
 * has as many rows, and a target without one that of the others, if they agree. The tokens that the first chat model's conversations need are added. Throws ERR_VOCABULARY,
 * ERR_TOKENIZER, ERR_TEMPLATE.
 */
export async function alignVocabularies(
  target: EmbeddingOf,
  vectors: readonly VectorOf<EmbeddingOf>[],
): Promise<Alignment> {
  const models = [target, ...vectors.flatMap(({ base, chat }) => [base, chat])]
  const texts = await Promise.all(models.map(tokenizerOf))
  const told = withoutTokenizer(models, texts)
  const equalRows = models.every(({ rows }) => rows === target.rows)
  if (equalRows && new Set(texts.filter((text) => text !== undefined)).size <= 1)
    return identity(target.rows, vectors.length, told)
  const known = await vocabulariesOf(models, texts)
  if (equalRows && known.every((vocabulary) => vocabulary.equals(known[0]!)))
    return identity(target.rows, vectors.length, told)
  if (texts[0] === undefined) throw whoseRows(target, known)

  const all = models.map(({ rows }, i): Rows => ({ vocabulary: known[i]!, rows }))
  const pairs = vectors.map((_, v) => ({ base: all[2 * v + 1]!, chat: all[2 * v + 2]! }))
  // A chat model without tokenizer.json has the target's tokens: it needs no others.
  const used = texts[2] === undefined ? UNUSED : await usedTokens(vectors[0]!.chat.folder)
  const aligned = await byToken(all[0]!, pairs, used)
  return { ...aligned, report: { ...aligned.report, ...told } }
}

const UNUSED: UsedTokens = { ids: new Set(), text: '' }

async function byToken(
  target: Rows,
  vectors: readonly VectorOf<Rows>[],
  used: UsedTokens,
): Promise<Alignment> {
  const { chat } = vectors[0]!
  const { additions, notAdded } = controlTokens(target, chat, used)
  const maps = await alignRows(target, vectors, additions)
  const special = additions.filter(({ isNew }) => isNew).map(newToken)
  const ids = new Map(additions.map(({ chatRow, id }) => [chatRow, id]))
  const report = {
    identical: false,
    rows: { before: target.rows, after: maps.rows.target.length },
    added_tokens: addedTokens(target, maps, additions),
    not_added: { count: notAdded.length, examples: firstOf(notAdded) },
    vectors: vectorTables(target.vocabulary, maps, additions, vectors.map(tokensWithRows)),
  }
  checkMatched(target, vectors, report)
  return {
    num_rows: maps.rows.target.length,
    ...mapsOf(maps, additions),
    special,
    ...(special.length > 0 && { tokenizerJson: withSpecialTokens(target.vocabulary, special) }),
    resultId(chatId) {
      const token = chat.vocabulary.tokens[chatId]
      if (token === undefined) return undefined
      return ids.get(chatId) ?? target.vocabulary.find(token, chat.vocabulary)
    },
    has: (token) => target.vocabulary.ids.has(token) || special.some(({ content }) => content === token),
    report,
  }
}

function addedTokens({ vocabulary }: Rows, { rows }: RowMaps, additions: readonly Addition[]) {
  const contents = new Map(additions.map(({ id, content }) => [id, content]))
  const added: Record<string, number> = {}
  for (const [id, row] of rows.from_chat.entries())
    if (row >= 0) added[contents.get(id) ?? vocabulary.tokens[id]!] = id
  return added
}

/** Rows of the result that are the target's need no table. */
function mapsOf({ rows, vectors }: RowMaps, additions: readonly Addition[]) {
  return { ...(additions.length > 0 && { rows }), vectors }
}

function newToken({ id, content, entry }: Addition): NewSpecialToken {
  const { single_word, lstrip, rstrip, special } = entry as unknown as Record<string, boolean>
  const flags = { single_word, lstrip, rstrip, special }
  const told = Object.entries(flags).filter(([, flag]) => typeof flag === 'boolean')
  return { id, content, flags: Object.fromEntries(told) }
}

const identity = (rows: number, count: number, told: Pick<VocabularyReport, 'on_trust'>): Alignment => ({
  num_rows: rows,
  vectors: Array.from({ length: count }, () => ({})),
  special: [],
  resultId: (chatId) => chatId,
  has: () => true,
  report: {
    identical: true,
    rows: { before: rows, after: rows },
    added_tokens: {},
    not_added: { count: 0, examples: [] },
    ...told,
    vectors: Array.from({ length: count }, () => identityTable(rows)),
  },
})

const tokensWithRows = ({ base, chat }: VectorOf<Rows>) => ({ base: withRows(base), chat: withRows(chat) })

function withRows({ vocabulary, rows }: Rows): number {
  let count = 0
  for (const token of vocabulary.tokens.slice(0, rows)) if (token !== undefined) count++
  return count
}

function checkMatched(
  target: Rows,
  vectors: readonly VectorOf<Rows>[],
  { vectors: tables }: VocabularyReport,
) {
  const strange = tables.findIndex(({ rows }) => rows.matched === 0)
  if (strange < 0) return
  const { base, chat } = vectors[strange]!
  const kinds = [target, base, chat].map(({ vocabulary: { file, spelling } }) => `${file} (${spelling.kind})`)
  throw new TongueforgeError(
    'ERR_VOCABULARY',
    `Expected some tokens that target, base and chat model share, found none: ${kinds.join(', ')}`,
    {
      hint: 'Is each tokenizer.json that of its model? A chat vector fits only models that descend from one base.',
      details: { target: target.vocabulary.file, base: base.vocabulary.file, chat: chat.vocabulary.file },
    },
  )
}
