/**
 * Which rows of embedding and head start out alike. Real language pairs share sub-words, names and digits; here each
 * word of B starts as a noisy copy of its word of A: row_b = r * row_a + sqrt(1 - r * r) * row_b, with fresh row_b.
 * Without it hardly any content crosses the border between the languages at this size.
 */
import { tokenId } from './tokenizer'
import { WORDS_A, WORDS_B } from './words'

/** [row of the B word, row of its A word] for every word. */
export function cognateRows(): [number, number][] {
  return WORDS_A.map((word, i) => [tokenId(WORDS_B[i]!), tokenId(word)])
}
