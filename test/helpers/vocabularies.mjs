// tokenizer.json files around any table of tokens, of each kind, to be read and compared: they need not cut text well.
import { BYTES } from './tokenizers.mjs'

const FLAGS = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
const METASPACE = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }
const MARKS = {
  type: 'Sequence',
  normalizers: [
    { type: 'Prepend', prepend: '▁' },
    { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
  ],
}
const BPE = { type: 'BPE', dropout: null, unk_token: null, fuse_unk: false, ignore_merges: false, merges: [] }

/** What stands around the table of tokens, by kind; `spell` writes bytes (a string of Latin-1) as a token. */
export const KINDS = {
  byte_level: {
    around: { pre_tokenizer: BYTE_LEVEL, decoder: BYTE_LEVEL },
    model: BPE,
    spell: (bytes) => [...Buffer.from(bytes, 'latin1')].map((byte) => BYTES[byte]).join(''),
  },
  sentence_piece: {
    around: { normalizer: MARKS },
    model: { ...BPE, byte_fallback: true },
    spell: marked,
  },
  unigram: {
    around: { pre_tokenizer: METASPACE, decoder: METASPACE },
    model: { type: 'Unigram', unk_id: 0, byte_fallback: true },
    spell: marked,
  },
  word_level: {
    around: { pre_tokenizer: { type: 'Whitespace' } },
    model: { type: 'WordLevel', unk_token: '<unk>' },
    spell: text,
  },
  word_piece: {
    around: { decoder: { type: 'WordPiece', prefix: '##', cleanup: true } },
    model: {
      type: 'WordPiece',
      unk_token: '<unk>',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 9,
    },
    spell: text,
  },
}

function text(bytes) {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** SentencePiece's way: bytes that are no text stand alone, as `<0xE4>`. */
function marked(bytes) {
  const whole = text(bytes)
  if (!whole.includes('\ufffd')) return whole.replaceAll(' ', '▁')
  return `<0x${Buffer.from(bytes, 'latin1').toString('hex').toUpperCase()}>`
}

/** Bytes of a text, as a string of Latin-1. */
export const bytesOf = (whole) => Buffer.from(whole, 'utf8').toString('latin1')

/**
 * A tokenizer.json with these tokens as they are written, `{token: id}`, and added ones, `{token: id}` or
 * `{token: {id, ...flags}}`, which stand in the table of the model as well.
 */
export function tokenizerWith(kind, tokens, added = {}) {
  const { around, model } = KINDS[kind]
  const entries = Object.entries(added).map(([content, row]) => ({
    ...FLAGS,
    ...(typeof row === 'number' ? { id: row } : row),
    content,
  }))
  const table = { ...tokens, ...Object.fromEntries(entries.map(({ content, id }) => [content, id])) }
  const nothing = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null }
  return JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: entries.sort((a, b) => a.id - b.id),
    ...nothing,
    ...around,
    model: { ...model, vocab: kind === 'unigram' ? listOf(table) : table },
  })
}

/** Unigram models list their pieces by id, with scores. */
function listOf(table) {
  const pieces = Object.entries(table).sort((a, b) => a[1] - b[1])
  if (pieces.some(([, id], i) => id !== i)) throw new Error('a Unigram model has no gaps')
  return pieces.map(([piece], i) => [piece, -i])
}
