/** What calls on a text encoder may be told, and what is refused. */
import { checkOptions, JOB_LISTENERS, type Kinds, numberOption, wordOption } from '../config/call_options'
import type { JobCallbacks } from '../native'
import { BERT_MASKING, type MaskingShares } from '../text/masking'

export interface TextsDone {
  done: number
  total: number
}

/** Of the calls that take texts. */
export interface TextsOptions extends JobCallbacks<TextsDone> {
  /** Cut texts that are longer than the model has positions; default: refuse them. */
  truncate?: boolean | undefined
}

export interface EmbedOptions extends TextsOptions {
  /** The mean of the states of all tokens (default), or the state of the first. */
  pooling?: 'mean' | 'cls' | undefined
  /** Make each vector of length 1; default: no. */
  normalize?: boolean | undefined
}

export interface FillOptions extends TextsOptions {
  /** Words for each mask token; default: 5. */
  topK?: number | undefined
}

export interface MaskedLossOptions extends JobCallbacks<TextsDone>, Partial<MaskingShares> {
  /** Of what is hidden; default: 1. */
  seed?: number | undefined
}

export const TEXTS: Kinds<TextsOptions> = { ...JOB_LISTENERS, truncate: 'flag' }
const EMBED: Kinds<EmbedOptions> = { ...TEXTS, pooling: 'any', normalize: 'flag' }
export const FILL: Kinds<FillOptions> = { ...TEXTS, topK: 'any' }
export const MASKED_LOSS: Kinds<MaskedLossOptions> = {
  ...JOB_LISTENERS,
  seed: 'any',
  probability: 'any',
  mask: 'any',
  random: 'any',
}

export function embedSettings(options: EmbedOptions) {
  checkOptions('embed', options, EMBED)
  const { pooling = 'mean', normalize, ...callbacks } = options
  return {
    pooling: wordOption('pooling', pooling, ['mean', 'cls']),
    normalize: normalize ?? false,
    callbacks,
  }
}

/** Those that were given, and the paper's for the rest. */
export function sharesOf(given: Partial<MaskingShares>): MaskingShares {
  const share = (name: keyof MaskingShares) =>
    numberOption(name, given[name] ?? BERT_MASKING[name], { least: 0, most: 1, whole: false })
  const shares = { probability: share('probability'), mask: share('mask'), random: share('random') }
  numberOption('mask + random', shares.mask + shares.random, { least: 0, most: 1, whole: false })
  return shares
}
