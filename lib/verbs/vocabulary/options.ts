/** What `vocab extend` is told, as the schema has it. */
import { checkConfig } from '../../config/parse'
import { type VocabExtendConfig, vocabExtendSchema } from '../../config/vocab_extend'
import { TongueforgeError } from '../../errors'
import { listOf, type Sources } from './sources'

/** Which tokens a model is to learn, from which texts. */
export interface ExtendVocabularyOptions {
  /** Model folder, or run folder. */
  model: string
  /** Model folder to be written. */
  out: string
  /** Texts to learn from: paths, or sources as in a training config. */
  data?: Sources | undefined
  /** Texts to measure and check on; default: every fiftieth document of `data`. */
  heldOut?: Sources | undefined
  /** New tokens to learn at most. */
  tokens?: number | undefined
  /** Learn until this share of the words of the data are one token each. */
  coverage?: number | undefined
  /** How often a token must stand in the data; default 10. */
  minCount?: number | undefined
  /** In characters, of a byte-level tokenizer in bytes; default 64. */
  maxTokenLength?: number | undefined
  /** Special tokens to add, such as chat tags. */
  specialTokens?: readonly string[] | undefined
  /** File with the chat template that the model gets. */
  chatTemplate?: string | undefined
  /** The token that ends a text from now on. */
  eosToken?: string | undefined
  padToMultipleOf?: number | undefined
  /** Threads that count and learn; 0, the default: all cores. At most 8 count. */
  threads?: number | undefined
  overwrite?: boolean | undefined
  /** Learn, check and measure, but write nothing. */
  dryRun?: boolean | undefined
}

/** Throws ERR_CONFIG for a value that is not possible, ERR_USAGE where something is missing. */
export function checkOptions(options: ExtendVocabularyOptions): VocabExtendConfig {
  const given = {
    data: options.data && listOf(options.data),
    held_out: options.heldOut && listOf(options.heldOut),
    tokens: options.tokens,
    coverage: options.coverage,
    min_count: options.minCount,
    max_token_length: options.maxTokenLength,
    special_tokens: options.specialTokens,
    chat_template: options.chatTemplate,
    eos_token: options.eosToken,
    pad_to_multiple_of: options.padToMultipleOf,
    threads: options.threads,
  }
  const config = checkConfig(vocabExtendSchema, given, 'vocab extend')
  const { data, tokens, coverage, special_tokens } = config
  if (data && tokens === undefined && coverage === undefined)
    throw usage('how many tokens to learn: tokens or coverage', 'For example: --tokens 2000')
  if (!data && (tokens !== undefined || coverage !== undefined))
    throw usage('data to learn tokens from', 'For example: --data corpus.txt')
  if (!data && special_tokens.length === 0)
    throw usage(
      'data to learn tokens from, or tokens to add',
      "For example: --data corpus.txt --tokens 2000, or --special '<|user|>'",
    )
  return config
}

function usage(expected: string, hint: string): TongueforgeError {
  return new TongueforgeError('ERR_USAGE', `vocab extend: expected ${expected}, received none`, { hint })
}
