/** From a corpus to the tokenizer with more tokens, and the pieces that each new token was made of. */
import { TongueforgeError } from '../../errors'
import type { CountProgress, JobCallbacks } from '../../native'
import { BpeFile } from '../../text/bpe/bpe_file'
import { continueBpe, type LearntToken } from '../../text/bpe/continued'
import type { NewSpecialToken } from '../../text/special_tokens'
import { Tokenizer } from '../../text/tokenizer'
import type { Corpus } from './corpus'
import type { Inputs } from './inputs'

export interface Extension {
  old: Tokenizer
  extended: Tokenizer
  /** The models alone, which know no added tokens and cut no words. */
  bare: { old: Tokenizer; extended: Tokenizer }
  tokenizerJson: string
  /** Id of the first new token: special ones come first. */
  first: number
  special: readonly NewSpecialToken[]
  learnt: readonly LearntToken[]
  /** Of each new token in the order of their ids, the ids it was written with until now. */
  pieces: readonly Int32Array[]
  /** Learnt characters that were unknown until now, without bytes that stood for them. */
  lostCharacters: ReadonlySet<string>
}

/** Throws ERR_VOCABULARY where there is nothing to add. */
export async function extendTokenizer(
  { tokenizer: old, file, tagged, special, config }: Inputs,
  corpus: Corpus | undefined,
  callbacks: JobCallbacks<CountProgress>,
): Promise<Extension> {
  const { tokens = Number.MAX_SAFE_INTEGER, coverage = 0, min_count, max_token_length, threads } = config
  const options = { tokens, coverage, minCount: min_count, maxTokenLength: max_token_length, threads }
  const learnt = corpus ? await continueBpe(tagged, corpus, options, callbacks) : []
  if (special.length + learnt.length === 0) throw nothingToLearn(min_count)
  const tokenizerJson = tagged.extended([], learnt)
  const bare = {
    old: Tokenizer.fromJson(file.bareModel()),
    extended: Tokenizer.fromJson(new BpeFile(tokenizerJson).bareModel()),
  }
  const characters = learnt.filter(({ parts }) => !parts).map(({ text }) => text)
  return {
    old,
    extended: Tokenizer.fromJson(tokenizerJson),
    bare,
    tokenizerJson,
    first: file.size,
    special,
    learnt,
    pieces: [
      ...(await piecesOf(
        special.map(({ content }) => content),
        old,
        file.size,
      )),
      ...(await piecesOf(
        learnt.map(({ text }) => text),
        bare.old,
        file.size,
      )),
    ],
    lostCharacters: new Set(file.byteFallback ? [] : characters),
  }
}

/** Of a text that a tokenizer makes nothing of (a character it drops), every token is a piece: the mean of all. */
async function piecesOf(texts: readonly string[], tokenizer: Tokenizer, size: number): Promise<Int32Array[]> {
  const rows = await tokenizer.encodeBatch(texts, { addSpecialTokens: false })
  return rows.map((row) => (row.length > 0 ? row : Int32Array.from({ length: size }, (_, id) => id)))
}

function nothingToLearn(minCount: number): TongueforgeError {
  return new TongueforgeError(
    'ERR_VOCABULARY',
    `Expected something to add, found no pair of tokens that stands ${minCount} times in the data`,
    { hint: 'Give more text, or a smaller min-count.', details: { min_count: minCount } },
  )
}
