/** How long text is in tokens, before and after: what an extension is measured by. */
import { charactersIn } from '../../text/characters'
import type { Corpus } from './corpus'
import type { Extension } from './learn'

export interface BeforeAfter {
  before: number
  after: number
}

export interface TextFigures {
  /** Unicode characters. */
  characters: number
  /** Of UTF-8. */
  bytes: number
  tokens: BeforeAfter
  tokens_per_character: BeforeAfter
  tokens_per_byte: BeforeAfter
  /** Of the tokens after. */
  share_of_new_tokens: number
}

export interface CorpusFigures extends TextFigures {
  texts: number
  /** Different ones. */
  words: number
  /** Words that were too rare to be kept in memory, each time they stood there: they are not counted in `tokens`. */
  forgotten: number
}

/** Sums that figures are made of. */
export class TextSums {
  private characters = 0
  private bytes = 0
  private before = 0
  private after = 0
  private fresh = 0

  constructor(private readonly first: number) {}

  /** A text that stands `count` times, as ids before and after. */
  add(text: string, before: Int32Array, after: Int32Array, count = 1): void {
    this.characters += count * charactersIn(text)
    this.bytes += count * Buffer.byteLength(text)
    this.before += count * before.length
    this.after += count * after.length
    this.fresh += count * after.reduce((sum, id) => sum + (id >= this.first ? 1 : 0), 0)
  }

  /** `of` replaces what was counted with the corpus's own size, where the texts were pre-tokenized words. */
  figures(of = { characters: this.characters, bytes: this.bytes }): TextFigures {
    const per = (tokens: number, units: number) => (units > 0 ? tokens / units : 0)
    const { before, after } = this
    return {
      characters: of.characters,
      bytes: of.bytes,
      tokens: { before, after },
      tokens_per_character: { before: per(before, of.characters), after: per(after, of.characters) },
      tokens_per_byte: { before: per(before, of.bytes), after: per(after, of.bytes) },
      share_of_new_tokens: per(this.fresh, after),
    }
  }
}

const WORDS_A_TURN = 4096

/** Of all words that were counted, as the models alone cut them. */
export async function corpusFigures(
  corpus: Corpus,
  { bare, first }: Pick<Extension, 'bare' | 'first'>,
  signal: AbortSignal | undefined,
): Promise<CorpusFigures> {
  const sums = new TextSums(first)
  for (let from = 0; from < corpus.words.length; from += WORDS_A_TURN) {
    signal?.throwIfAborted()
    const words = corpus.words.slice(from, from + WORDS_A_TURN)
    const [before, after] = await Promise.all(
      [bare.old, bare.extended].map((model) => model.encodeBatch(words)),
    )
    for (const [i, word] of words.entries()) sums.add(word, before![i]!, after![i]!, corpus.counts[from + i])
  }
  const { texts, words, forgotten } = corpus
  return { texts, words: words.length, forgotten, ...sums.figures(corpus) }
}
