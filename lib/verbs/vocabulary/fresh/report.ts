/** What `vocab train` tells. */
import { BYTE_CHARACTERS, type FreshVocabulary } from '../../../text/bpe/fresh'
import type { WordCounts } from '../../../text/bpe/word_counts'
import type { Tokenizer } from '../../../text/tokenizer'
import type { Plan } from './plan'

/** What the tokenizer makes of its corpus, and what was checked of it. */
export interface TrainVocabularyReport {
  /** The folder, as a full path. */
  out: string
  /** Whether nothing was written. */
  dry_run: boolean
  /** Tokens, special ones and the 256 bytes included. */
  vocab_size: number
  /** That were learnt. */
  merges: number
  /** With their ids. */
  special_tokens: Record<string, number>
  /** What ended the learning. `min_count`: every pair that is left is rarer. */
  ended_by: 'size' | 'coverage' | 'min_count'
  /** What was learnt from. */
  corpus: {
    texts: number
    characters: number
    bytes: number
    /** Different words. */
    words: number
    /** Words of the text that were too rare to be kept in memory. */
    forgotten: number
    mb_per_second: number
  }
  /** Of the corpus: as bytes, and with the new tokens. */
  tokens_per_character: { before: number; after: number }
  /** Of the corpus, with the new tokens. */
  bytes_per_token: number
  /** Share of the words of the text that are one token. */
  coverage: number
  /** Texts of the corpus that were encoded and decoded, and how many came back as they were. */
  round_trip: { texts: number; equal: number }
  /** Some learnt tokens, the first ones, as text. */
  examples: string[]
  /** That it took. */
  seconds: number
}

const EXAMPLES = 20

/** Of the corpus and of what was learnt from it. */
export function figures({ config, blueprint }: Plan, counted: WordCounts, learnt: FreshVocabulary) {
  const { texts, characters, bytes, words, forgotten, seconds } = counted
  const { tokens, merges, tokensBefore, tokensAfter, coverage } = learnt
  const covered = config.coverage !== undefined && coverage >= config.coverage
  const ended: TrainVocabularyReport['ended_by'] =
    tokens.length >= config.size ? 'size' : covered ? 'coverage' : 'min_count'
  return {
    vocab_size: tokens.length,
    merges: merges.length,
    special_tokens: Object.fromEntries(blueprint.special.map(({ content }, id) => [content, id])),
    ended_by: ended,
    corpus: {
      texts,
      characters,
      bytes,
      words: words.length,
      forgotten,
      mb_per_second: bytes / 1e6 / seconds,
    },
    tokens_per_character: { before: tokensBefore / characters, after: tokensAfter / characters },
    bytes_per_token: tokensBefore / tokensAfter,
    coverage,
  }
}

/** Of texts that were encoded and decoded. */
export async function roundTrip(
  tokenizer: Tokenizer,
  sample: readonly string[],
  signal: AbortSignal | undefined,
): Promise<TrainVocabularyReport['round_trip']> {
  let equal = 0
  const rows = await tokenizer.encodeBatch(sample, { addSpecialTokens: false })
  for (const [i, ids] of rows.entries()) {
    signal?.throwIfAborted()
    if ((await tokenizer.decode(ids, { skipSpecialTokens: false })) === sample[i]) equal++
  }
  return { texts: sample.length, equal }
}

/** The first learnt tokens, as text. */
export function examples(
  tokenizer: Tokenizer,
  { blueprint }: Pick<Plan, 'blueprint'>,
  { tokens }: FreshVocabulary,
): string[] {
  const first = blueprint.special.length + BYTE_CHARACTERS.length
  return tokens.slice(first, first + EXAMPLES).map((_, i) => tokenizer.decodeNow([first + i], false))
}
