/** What `vocab extend` tells. */
import type { RowExtensionStatistics } from '../../native'
import type { BeforeAfter, CorpusFigures, TextFigures } from './figures'

/** What the larger vocabulary saves, and what was checked of it. */
export interface ExtendVocabularyReport extends Partial<RowExtensionStatistics> {
  /** The folder, as a full path. */
  out: string
  /** Whether nothing was written. */
  dry_run: boolean
  /** Tokens of the tokenizer; `rows` are those of the embedding. */
  tokens: BeforeAfter
  /** Of the embedding. */
  rows: BeforeAfter
  /** That text is cut into; special ones are told apart. */
  learnt_tokens: number
  /** Of the learnt ones, single characters. */
  learnt_characters: number
  /** Those that were added, with their ids. */
  special_tokens: Record<string, number>
  /** New tokens that their own text does not give: a result has none. */
  unreachable: number
  /** Texts that were found to come back as before, and to be cut as before where no new token stands. */
  texts_checked: number
  /** The first learnt tokens, the most useful first, as text. */
  examples: string[]
  /** Of the data that was learnt from; tokens are counted word by word. */
  corpus?: CorpusFigures
  /** Of whole texts that were not learnt from, with what the tokenizer puts around one. */
  held_out?: TextFigures & { texts: number }
  /** Ids that end a generation, where a template or an end was given. */
  stop_ids?: number[]
  /** Files of the vocabulary in other forms, which the result does not have. */
  left_out?: string[]
  /** Of the weights before. */
  bytes_to_read: number
  /** Of the weights after. */
  bytes_to_write: number
  /** Of reading and writing. Absent from a dry run. */
  seconds?: number
}
