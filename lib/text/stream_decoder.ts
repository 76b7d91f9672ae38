/** What a StreamDecoder asks of a tokenizer. */
export interface PieceDecoder {
  /** Text of a few ids, special tokens left out if the stream says so. */
  decodeNow(ids: readonly number[], skipSpecialTokens: boolean): string
  idToToken(id: number): string | undefined
  isSpecialToken(id: number): boolean
}

export interface StreamDecoderOptions {
  /** Leave special tokens out of the text (default true). */
  skipSpecialTokens?: boolean
  /**
   * Ids that stand before the stream, e.g. the prompt: only the last few are looked at. With them a first word keeps
   * its leading space, so that prompt text + streamed text is the whole text.
   */
  context?: ArrayLike<number>
}

/** What decoders write for bytes that make no character (yet). */
const REPLACEMENT = '\uFFFD'
/** A character has at most four bytes, so at most three of them can wait for the rest: one U+FFFD each, or one for all. */
const MAX_UNFINISHED = 3
const MAX_PENDING = 16
const MAX_CONTEXT = 64
const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/

/**
 * Turns ids into text one by one. Text is given out once it is final: a character whose bytes are spread over several
 * tokens comes with its last one, never as U+FFFD. The pieces together are what decoding all ids at once gives.
 *
 * How: decoders look at neighbours (SentencePiece drops the space of a first word, byte tokens join to characters),
 * so new text is the difference between two decodings, without and with the new ids, of a window that begins where an
 * earlier piece of text began. The window holds a few ids, whatever the length of the stream.
 */
export class StreamDecoder {
  private readonly skipSpecialTokens: boolean
  /** The first `settled` ids are text already, `settledText`; the others are pending: they end within a character. */
  private window: number[]
  private settled: number
  private settledText: string
  /** How much of the pending ids' text is out already. */
  private given = 0

  constructor(
    private readonly decoder: PieceDecoder,
    { skipSpecialTokens = true, context = [] }: StreamDecoderOptions = {},
  ) {
    this.skipSpecialTokens = skipSpecialTokens
    this.window = contextTail(decoder, context)
    this.settled = this.window.length
    this.settledText = this.decode(this.window)
  }

  /** Takes the next id; returns the text that became final, often empty. */
  push(id: number): string {
    // Decoders never see ids without a token, nor special tokens that are left out: neither must the window.
    if (this.decoder.idToToken(id) === undefined) return ''
    if (this.skipSpecialTokens && this.decoder.isSpecialToken(id)) return ''
    this.window.push(id)
    const text = this.pendingText()
    const final = finalLength(text)
    const piece = text.slice(this.given, final)
    if (final === text.length) this.settle()
    else this.wait(final)
    return piece
  }

  /** The text still held back at the end of the stream: unfinished bytes become U+FFFD. */
  flush(): string {
    const text = this.pendingText()
    const piece = text.slice(this.given)
    this.settle()
    return piece
  }

  private pendingText(): string {
    const text = this.decode(this.window)
    if (text.startsWith(this.settledText)) return text.slice(this.settledText.length)
    // Broken bytes can spoil the characters before them; those are out already, so the pending ids speak alone.
    return this.decode(this.window.slice(this.settled))
  }

  private settle(): void {
    this.window = this.window.slice(this.settled)
    this.settled = this.window.length
    this.settledText = this.decode(this.window)
    this.given = 0
  }

  private wait(final: number): void {
    this.given = Math.max(this.given, final)
    if (this.window.length - this.settled <= MAX_PENDING) return
    // Byte-level pieces that each end within a character: such a window can begin anywhere.
    this.window = this.window.slice(-MAX_PENDING / 2)
    this.settled = 0
    this.settledText = ''
    this.given = finalLength(this.decode(this.window))
  }

  private decode(ids: readonly number[]): string {
    return this.decoder.decodeNow(ids, this.skipSpecialTokens)
  }
}

/** Length of the text without the U+FFFD at its end that may be the beginning of a character. */
function finalLength(text: string): number {
  let length = text.length
  while (length > text.length - MAX_UNFINISHED && text[length - 1] === REPLACEMENT) length--
  return length
}

/** The last ids before the stream, beginning at a whole character. */
function contextTail(decoder: PieceDecoder, context: ArrayLike<number>): number[] {
  let start = Math.max(0, context.length - 8)
  const stop = Math.max(0, context.length - MAX_CONTEXT)
  while (start > stop && BYTE_TOKEN.test(decoder.idToToken(context[start]!) ?? '')) start--
  return Array.from({ length: context.length - start }, (_, i) => context[start + i]!)
}
