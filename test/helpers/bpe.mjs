// Training on words that are cut into characters, as the Python trainer does it.

import { runJob } from '#lib/native'
import { BYTE_CHARACTERS } from '#lib/text/bpe/fresh'
import { countWords } from '#lib/text/bpe/word_counts'

/** Words of the texts as `case.pre_tokenizer` cuts them. */
export function wordsOf(texts, { pre_tokenizer }) {
  async function* given() {
    yield* texts
  }
  return countWords(given(), { normalizer: null, pre_tokenizer }, { threads: 2 })
}

/** `{vocab: tokens by id, merges: [left, right][]}`; the keys of a case are those of test/parity/bpe_reference.py. */
export async function trainWords({ words, counts }, { alphabet, special = [], ...options }) {
  const characters = new Set([...words.join(''), ...(alphabet === 'bytes' ? BYTE_CHARACTERS : [])])
  const tokens = [...special, ...[...characters].sort((a, b) => a.codePointAt(0) - b.codePointAt(0))]
  const ids = new Map(tokens.map((token, id) => [token, id]))
  const rows = words.map((word) => [...word].map((character) => ids.get(character)))
  const { merges } = await runJob('trainBpe', {
    tokens,
    words: Int32Array.from(rows.flat()),
    lengths: Int32Array.from(rows, ({ length }) => length),
    counts: Float64Array.from(counts),
    vocab_size: options.vocab_size,
    min_count: options.min_frequency,
    max_token_length: options.max_token_length === undefined ? 0 : options.max_token_length - 1,
    threads: 2,
  })
  const triples = new Int32Array(merges)
  const pairs = []
  for (let i = 0; i < triples.length; i += 3) {
    const [left, right, result] = triples.subarray(i, i + 3)
    pairs.push([tokens[left], tokens[right]])
    tokens[result] ??= tokens[left] + tokens[right]
  }
  return { vocab: tokens, merges: pairs }
}

/** Tokens of a vocabulary `{token: id}` in the order of their ids. */
export function byId(vocab) {
  const rows = Object.entries(vocab).sort((a, b) => a[1] - b[1])
  return rows.map(([token]) => token)
}
