/**
 * Words for learning tokens, of text whose tokenizer cuts at spaces alone (SentencePiece's `▁`). Such a tokenizer would
 * learn whole clauses of Chinese, and words with the comma behind them: letters, digits and marks are told apart here,
 * as SentencePiece does when it trains.
 */

const WORD = /▁?[\p{L}\p{M}]+|▁?\p{Nd}|▁+(?=▁)|▁?[^▁\p{L}\p{M}\p{Nd}\s]+|▁|\s/gu

/** Every character of the text stands in one word. */
export function unspacedWords(text: string): string[] {
  return text.match(WORD) ?? []
}
