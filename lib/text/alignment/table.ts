/** What becomes of each row of an aligned embedding, counted, with examples: the part of a report. */
import type { Addition } from './control_tokens'
import type { ResultRows, RowMaps, VectorRows } from './rows'
import type { Vocabulary } from './vocabulary'

/**
 * `matched`: base and chat model have the token, the row gets their difference. `added`: the chat model's row, unscaled.
 * The others keep the target's row: `target_only`, `not_in_base` and `not_in_chat` say who lacks the token; `padding`
 * stands for none.
 */
export type RowFate = 'matched' | 'target_only' | 'not_in_base' | 'not_in_chat' | 'padding' | 'added'

export interface VectorTable {
  /** Their sum is the number of rows of the result. */
  rows: {
    matched: number
    kept: Record<Exclude<RowFate, 'matched' | 'added'>, number>
    added: number
  }
  /** The first tokens of each kind, as text. */
  examples: Partial<Record<RowFate, string[]>>
  /** Tokens of base and chat model that no row of the result was matched with. */
  unused: { base: number; chat: number }
}

export interface VocabularyReport {
  /** All models have the same tokens in the same rows: nothing had to be looked up. */
  identical: boolean
  /** Of the embedding: of the target, and of the result. */
  rows: { before: number; after: number }
  /** Tokens of the chat model that the result has got, with their ids. */
  added_tokens: Record<string, number>
  /** Added tokens of the chat model that its conversations do not use and the target lacks. */
  not_added: { count: number; examples: string[] }
  /** Models without tokenizer.json, taken to have the target's. */
  on_trust?: string[]
  /** A table for each chat vector. */
  vectors: VectorTable[]
}

const EXAMPLES = 8

export function fateOf(
  id: number,
  vocabulary: Vocabulary,
  { from_chat }: ResultRows,
  { base_rows, chat_rows }: VectorRows,
): RowFate {
  if (from_chat[id]! >= 0) return 'added'
  if (vocabulary.tokens[id] === undefined) return 'padding'
  const [inBase, inChat] = [base_rows[id]! >= 0, chat_rows[id]! >= 0]
  if (inBase && inChat) return 'matched'
  if (inBase) return 'not_in_chat'
  return inChat ? 'not_in_base' : 'target_only'
}

/** A table for each vector. `names`: the vocabulary of the target. */
export function vectorTables(
  names: Vocabulary,
  { rows, vectors }: RowMaps,
  additions: readonly Addition[],
  tokens: readonly { base: number; chat: number }[],
): VectorTable[] {
  const shown = new Map(additions.map(({ id, content }) => [id, content]))
  return vectors.map((vector, v) => {
    const counts = zeros()
    const examples: VectorTable['examples'] = {}
    for (let id = 0; id < rows.target.length; id++) {
      const fate = fateOf(id, names, rows, vector)
      counts[fate]++
      if (fate === 'padding') continue
      examples[fate] ??= []
      if (examples[fate].length < EXAMPLES) examples[fate].push(shown.get(id) ?? names.show(id))
    }
    const { base, chat } = tokens[v]!
    const fromChat = v === 0 ? [rows.from_chat] : []
    const unused = {
      base: base - distinct([vector.base_rows]),
      chat: chat - distinct([vector.chat_rows, ...fromChat]),
    }
    return { ...tableOf(counts), examples, unused }
  })
}

/** The table of equal vocabularies: every row is matched. */
export const identityTable = (rows: number): VectorTable => ({
  ...tableOf({ ...zeros(), matched: rows }),
  examples: {},
  unused: { base: 0, chat: 0 },
})

export const firstOf = (tokens: readonly string[]) => tokens.slice(0, EXAMPLES)

const zeros = (): Record<RowFate, number> => ({
  matched: 0,
  target_only: 0,
  not_in_base: 0,
  not_in_chat: 0,
  padding: 0,
  added: 0,
})

function tableOf({ matched, added, ...kept }: Record<RowFate, number>): Pick<VectorTable, 'rows'> {
  return { rows: { matched, kept, added } }
}

function distinct(lists: readonly Int32Array[]): number {
  const all = new Set<number>()
  for (const rows of lists) for (const row of rows) if (row >= 0) all.add(row)
  return all.size
}
