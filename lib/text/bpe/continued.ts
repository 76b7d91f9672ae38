/**
 * Byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909) that goes on where a tokenizer ended: its own cuts of the
 * corpus's words are merged further, and the new merges stand behind the old ones. So every old merge keeps its rank,
 * text that meets no new token is cut as before, and every new token can be reached.
 */
import { TongueforgeError } from '../../errors'
import { type CountProgress, type JobCallbacks, runJob } from '../../native'
import { pause } from '../pause'
import { Tokenizer } from '../tokenizer'
import type { BpeFile, NewToken } from './bpe_file'

/** The words of a corpus as the tokenizer cuts them, each once, and how often each stands there. */
export interface CountedWords {
  words: readonly string[]
  counts: Float64Array
}

export interface ContinuedOptions {
  /** New tokens at most. */
  tokens: number
  /** Ends once this share of the words of the text are one token each; 0 = never. */
  coverage: number
  /** A rarer pair or character becomes no token. */
  minCount: number
  /** In characters. */
  maxTokenLength: number
  /** 0 = all cores. */
  threads: number
}

export interface LearntToken extends NewToken {
  /** Tokens of the corpus that it saved when it was learnt. */
  saves: number
}

const WORDS_A_TURN = 4096

/**
 * Learns tokens, the most useful first: fewer tokens are the beginning of more. A character that the tokenizer lacks
 * is a token to be learnt too; it saves the bytes that stood for it. Merges that give a text which is a token already
 * are passed over: a token has one way to be made, so that encoding does what learning saw.
 */
export async function continueBpe(
  file: BpeFile,
  corpus: CountedWords,
  options: ContinuedOptions,
  callbacks: JobCallbacks<CountProgress> = {},
): Promise<LearntToken[]> {
  const characters = await missingCharacters(file, corpus, options.minCount)
  const bare = Tokenizer.fromJson(file.bareModel(characters.map(({ text }) => text)))
  const cut = await cutWords(bare, corpus, callbacks.signal)
  const texts = [...file.texts(), ...characters.map(({ text }) => text)]
  const holes = texts.flatMap((text, id) => (text === '' ? [id] : []))
  const { merges, counts } = await runJob(
    'trainBpe',
    {
      ...cut,
      tokens: texts,
      reserved: Int32Array.from([...file.barriers(), ...holes]),
      vocab_size: Math.min(texts.length + options.tokens, 2 ** 31 - 1),
      min_count: options.minCount,
      max_token_length: options.maxTokenLength,
      coverage: options.coverage,
      only_new: true,
      threads: options.threads,
    },
    callbacks,
  )
  return mostUseful(characters, mergedTokens(texts, new Int32Array(merges), counts), options.tokens)
}

/** Characters of the words that have no token, with what each would save, the most useful first. */
async function missingCharacters(
  file: BpeFile,
  { words, counts }: CountedWords,
  minCount: number,
): Promise<LearntToken[]> {
  const found = new Map<string, number>()
  for (const [i, word] of words.entries()) {
    if (i % WORDS_A_TURN === 0) await pause()
    for (const character of word)
      if (!file.vocabulary.has(character)) found.set(character, (found.get(character) ?? 0) + counts[i]!)
  }
  // Of one byte, a character is one token already; and what was unknown counts for once each time.
  const savedEach = (text: string) => (file.byteFallback ? Buffer.byteLength(text) - 1 : 1)
  return [...found]
    .filter(([text, count]) => count >= minCount && savedEach(text) > 0 && !file.has(text))
    .map(([text, count]) => ({ text, saves: count * savedEach(text) }))
    .sort((a, b) => b.saves - a.saves || (a.text < b.text ? -1 : 1))
}

/**
 * The words as the tokenizer cuts them: end to end, with the ids of each. Typed arrays from the start: an array of
 * JavaScript ends the process where it would pass some 100 million ids, which large corpora do.
 */
async function cutWords(bare: Tokenizer, { words, counts }: CountedWords, signal: AbortSignal | undefined) {
  const pieces: Int32Array[] = []
  const lengths = new Int32Array(words.length)
  for (let from = 0; from < words.length; from += WORDS_A_TURN) {
    signal?.throwIfAborted()
    const rows = await bare.encodeBatch(words.slice(from, from + WORDS_A_TURN))
    lengths.set(
      rows.map((row) => row.length),
      from,
    )
    pieces.push(endToEnd(rows))
  }
  const ids = new Int32Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let end = 0
  for (const piece of pieces) {
    ids.set(piece, end)
    end += piece.length
    await pause()
  }
  return { words: ids, lengths, counts }
}

function endToEnd(rows: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(rows.reduce((sum, row) => sum + row.length, 0))
  let end = 0
  for (const row of rows) {
    all.set(row, end)
    end += row.length
  }
  return all
}

function mergedTokens(
  texts: string[],
  merges: Int32Array,
  counts: readonly number[],
): Required<LearntToken>[] {
  return counts.map((saves, i) => {
    const [left, right, result] = merges.subarray(3 * i, 3 * i + 3)
    const parts = [texts[left!]!, texts[right!]!] as const
    const text = parts.join('')
    if (result !== texts.length)
      throw new TongueforgeError(
        'ERR_INTERNAL',
        `merge ${i}: expected token ${texts.length}, received ${result}`,
      )
    texts.push(text)
    return { text, parts, saves }
  })
}

/**
 * Two lists as one, by what each saves. A merge saves no more than any character in it, which therefore stands before
 * it.
 */
function mostUseful(
  characters: readonly LearntToken[],
  merges: readonly LearntToken[],
  most: number,
): LearntToken[] {
  const all: LearntToken[] = []
  let [c, m] = [0, 0]
  while (all.length < most && (c < characters.length || m < merges.length)) {
    const character = characters[c]
    const merge = merges[m]
    if (character && (!merge || character.saves >= merge.saves)) {
      all.push(character)
      c++
    } else {
      all.push(merge!)
      m++
    }
  }
  return all
}
