/** What `vocab train` is told, as the schema has it. */
import { checkConfig } from '../../../config/parse'
import { type VocabTrainConfig, vocabTrainSchema } from '../../../config/vocab_train'
import { listOf, type Sources } from '../sources'

/** What a new tokenizer learns from, and how large it becomes. */
export interface TrainVocabularyOptions {
  /** Paths, or sources as in a training config. */
  data: Sources
  /** Folder to be written. */
  out: string
  /** Tokens at most, special ones and the 256 bytes included; default 32000. */
  size?: number | undefined
  /** How often a pair must stand in the text to become a token; default 2. */
  minCount?: number | undefined
  /** Longest token, in bytes; default 64. */
  maxTokenLength?: number | undefined
  /** Ends sooner, once this share of the words of the text are one token each. */
  coverage?: number | undefined
  /** Tokens that text is never cut into, such as chat tags. */
  specialTokens?: readonly string[] | undefined
  /** Put before every text; default: nothing is. */
  bosToken?: string | undefined
  /** Ends a text; default `<|endoftext|>`. */
  eosToken?: string | undefined
  /** Fills rows up; default: that of `like`, where it has one. */
  padToken?: string | undefined
  /** File with a chat template for the tokenizer. */
  chatTemplate?: string | undefined
  /** Folder of a byte-level tokenizer that text is to be normalised, cut and framed like. */
  like?: string | undefined
  /** Threads that count and learn; 0, the default: all cores. At most 8 count. */
  threads?: number | undefined
  /** Replace what is at `out`, where it looks like ours; default: false, and ERR_EXISTS. */
  overwrite?: boolean | undefined
  /** Learn and measure, but write nothing. */
  dryRun?: boolean | undefined
}

/** Throws ERR_CONFIG for a value that is not possible. */
export function checkOptions(options: TrainVocabularyOptions): VocabTrainConfig {
  const given = {
    data: listOf(options.data),
    out: options.out,
    size: options.size,
    min_count: options.minCount,
    max_token_length: options.maxTokenLength,
    coverage: options.coverage,
    special_tokens: options.specialTokens,
    bos_token: options.bosToken,
    eos_token: options.eosToken,
    pad_token: options.padToken,
    chat_template: options.chatTemplate,
    like: options.like,
    threads: options.threads,
  }
  return checkConfig(vocabTrainSchema, given, 'vocab train')
}
