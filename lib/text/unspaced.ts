/** Scripts that put no blank between words: each of their characters is a unit. For the inside of a class of characters. */
export const UNSPACED = [
  ...['Han', 'Hiragana', 'Katakana', 'Bopomofo', 'Thai', 'Lao', 'Khmer', 'Myanmar', 'Tibetan'],
]
  .map((name) => `\\p{Script=${name}}`)
  .join('')
