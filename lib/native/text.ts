/** Tokens learnt from text, and classifiers of text. */
import type { Handle } from '../native'

/** Words as rows of token ids, and how far merging goes. See native/text/bpe_trainer.h. */
export interface BpeTraining {
  /** Text of each token, by id. */
  tokens: readonly string[]
  /** Ids of the words, end to end. */
  words: Int32Array
  /** Ids of each word. */
  lengths: Int32Array
  /** How often each word stands in the text. */
  counts: Float64Array
  /** Tokens at the end, those given included. */
  vocab_size: number
  /** A pair that is rarer is not merged. */
  min_count: number
  /** In characters; 0 = any. */
  max_token_length: number
  /** Ends once this share of the words of the text are one token each; 0 or absent = never. */
  coverage?: number
  /** Ids that no merge takes part in or ends in. */
  reserved?: Int32Array
  /** A pair whose text is a token already is not merged. */
  only_new?: boolean
  /** 0 = all cores. */
  threads: number
}

export interface BpeMerges {
  /** Int32Array of (left, right, result), in order of rank. New tokens are numbered on from the given ones. */
  merges: ArrayBuffer
  /** How often each pair stood in the text when it was merged. */
  counts: number[]
  /** Of the whole text. */
  tokens_before: number
  tokens_after: number
  /** Share of the words of the text that are one token. */
  coverage: number
}

/** A classifier of fastText's in memory. See native/text/fasttext.h. */
export interface FastTextModel {
  model: Handle
  /** With their prefix, as they stand in the file. */
  labels: string[]
  /** Values of a vector. */
  dim: number
}

/** Jobs on text. */
export interface TextJobs {
  trainBpe: [BpeTraining, BpeMerges]
  openFastText: [{ path: string }, FastTextModel]
  /** Of each text its likeliest labels, best first. */
  fastTextLabels: [
    { model: Handle; texts: readonly string[]; top_k: number },
    { label: string; probability: number }[][],
  ]
}
