/** Byte-level byte-pair encoding from nothing: 256 bytes, and what stands beside each other most often. */
import { byteLevelAlphabet } from 'tokenizers'
import { TongueforgeError } from '../../errors'
import { type CountProgress, type JobCallbacks, runJob } from '../../native'
import { inSteps } from '../pause'
import type { WordCounts } from './word_counts'

export interface FreshOptions {
  /** Come first, in this order; no merge gives one. */
  special: readonly string[]
  /** Tokens at most, special ones and bytes included. */
  size: number
  minCount: number
  maxTokenLength: number
  /** 0 = never ends for that. */
  coverage: number
  threads: number
}

export interface FreshVocabulary {
  /** By id: special tokens, the bytes in the order of the characters that stand for them, then what was learnt. */
  tokens: string[]
  merges: [left: string, right: string][]
  /** Tokens of the text: as bytes, and as it is cut in the end. */
  tokensBefore: number
  tokensAfter: number
  /** Share of the words of the text that are one token. */
  coverage: number
}

/** Characters that stand for the 256 bytes, in order of their code points: as the Python trainer numbers them. */
export const BYTE_CHARACTERS: readonly string[] = byteLevelAlphabet().sort()

/** Learns tokens from the words of a byte-level pre_tokenizer. Throws ERR_TOKENIZER for words that are no bytes. */
export async function learnBpe(
  counted: Pick<WordCounts, 'words' | 'counts'>,
  options: FreshOptions,
  callbacks: JobCallbacks<CountProgress> = {},
): Promise<FreshVocabulary> {
  const { special, size, minCount, maxTokenLength, coverage, threads } = options
  const tokens = [...special, ...BYTE_CHARACTERS]
  const { words, lengths } = await bytesOf(counted.words, special.length)
  const learnt = await runJob(
    'trainBpe',
    {
      tokens,
      words,
      lengths,
      counts: counted.counts,
      vocab_size: size,
      min_count: minCount,
      max_token_length: maxTokenLength,
      coverage,
      reserved: Int32Array.from(special.keys()),
      threads,
    },
    callbacks,
  )
  const merges: [string, string][] = []
  for (const [left, right, result] of triples(new Int32Array(learnt.merges))) {
    const pair: [string, string] = [tokens[left]!, tokens[right]!]
    merges.push(pair)
    tokens[result] ??= pair.join('')
  }
  return {
    tokens,
    merges,
    tokensBefore: learnt.tokens_before,
    tokensAfter: learnt.tokens_after,
    coverage: learnt.coverage,
  }
}

function* triples(numbers: Int32Array): Generator<[number, number, number]> {
  for (let i = 0; i < numbers.length; i += 3) yield [numbers[i]!, numbers[i + 1]!, numbers[i + 2]!]
}

/** Words as ids of bytes. Every character of a byte-level word lies in the basic plane. */
async function bytesOf(words: readonly string[], first: number) {
  const ids = new Int32Array(512).fill(-1)
  for (const [i, character] of BYTE_CHARACTERS.entries()) ids[character.charCodeAt(0)] = first + i
  const lengths = new Int32Array(words.length)
  let total = 0
  await inSteps(words.length, (from, to) => {
    for (let i = from; i < to; i++) total += lengths[i] = words[i]!.length
  })
  const all = new Int32Array(total)
  let end = 0
  await inSteps(words.length, (from, to) => {
    for (let i = from; i < to; i++) {
      const word = words[i]!
      for (let k = 0; k < word.length; k++) {
        const id = ids[word.charCodeAt(k)] ?? -1
        if (id < 0) throw notBytes(word)
        all[end++] = id
      }
    }
  })
  return { words: all, lengths }
}

function notBytes(word: string): TongueforgeError {
  return new TongueforgeError(
    'ERR_TOKENIZER',
    `pre_tokenizer: expected words of bytes, received ${JSON.stringify(word.slice(0, 40))}`,
    {
      hint: 'Its last part must be ByteLevel.',
      details: { key: 'pre_tokenizer', word: word.slice(0, 100) },
    },
  )
}
