/** What is in the data of a training, as its report and its dry run tell it. */
import type { RowSource } from '../../text/packing'
import type { RecordFormat } from '../../text/record_formats'
import type { Tokens } from '../../text/tokens'
import type { SourcePerplexity } from './perplexity'

/** What is in a source, counted once whatever its weight. */
export interface SourceStatistics extends SourcePerplexity {
  /** As in the config. */
  path: string
  /** Files that are read. */
  files: number
  /** Of its records, where it has records. */
  formats?: RecordFormat[]
  /** On the disk. */
  bytes?: number
  /** Of sound. */
  seconds?: number
  /** Of sound utterances, and tokens are their places. */
  documents: number
  /** Of text. */
  characters?: number
  /** Counted once, whatever its weight. */
  tokens: number
  /** `tokens` over `characters`. */
  tokens_per_character?: number
  /** Records that cannot be read and are left out. */
  skipped: number
  /** Whole conversations and pairs only: longer than a row, so that they lose an end. */
  truncated: number
  /** Whole conversations and pairs only: left out, as nothing of what fits is to be learnt. */
  dropped: number
  /** Part of the tokens that are trained on; of replayed data, part of the rows. */
  share: number
  /** Of reading and encoding, when that was done. */
  mb_per_second?: number
  /** Whether it was done before, and the cache has it. */
  cached?: boolean
}

/** The totals are those of an epoch: by weight, without what is replayed, and without what a filter leaves out. */
export interface DataStatistics {
  /** Of `data`. */
  sources: SourceStatistics[]
  /** Of older data that is mixed in. */
  replay?: SourceStatistics[]
  /** Of an epoch. */
  documents: number
  /** Of an epoch. */
  tokens: number
  /** Whole conversations and pairs only: longer than a row, so that they lose an end. */
  truncated: number
  /** Whole conversations and pairs only: left out, as nothing of what fits is to be learnt. */
  dropped: number
  /** Records that cannot be read and are left out. */
  skipped: number
  /** Rows of `sequence_length` places. */
  rows_per_epoch: number
}

/** Of the sources, which are the first of `opened`, with their weights; and of what is replayed, with its shares. */
export function summary(
  parts: readonly { tokens: Tokens; weight: number }[],
  opened: readonly { statistics: Omit<SourceStatistics, 'share'> }[],
  tokens: Tokens,
  replayed: readonly { share: number }[],
  rows: RowSource,
): DataStatistics {
  const rest = 1 - replayed.reduce((sum, { share }) => sum + share, 0)
  const all = opened.map(({ statistics }, i): SourceStatistics => {
    const part = parts[i]
    const share = part
      ? (rest * part.weight * part.tokens.total) / Math.max(tokens.total, 1)
      : replayed[i - parts.length]!.share
    return { ...statistics, share }
  })
  const sources = all.slice(0, parts.length)
  const sum = (key: 'truncated' | 'dropped' | 'skipped') =>
    sources.reduce((total, source) => total + source[key], 0)
  return {
    sources,
    ...(replayed.length > 0 && { replay: all.slice(parts.length) }),
    documents: tokens.count,
    tokens: tokens.total,
    truncated: sum('truncated'),
    dropped: sum('dropped'),
    skipped: sum('skipped'),
    rows_per_epoch: rows.rowsPerEpoch,
  }
}
