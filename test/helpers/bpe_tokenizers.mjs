// Byte-pair tokenizers learnt on any text, of the two kinds that models have: byte-level with its special tokens behind
// the vocabulary (Llama 3, Qwen), and SentencePiece-like with byte fallback (Llama 2, Mistral).
import { Tokenizer as HubTokenizer } from 'tokenizers'
import { runJob } from '#lib/native'
import { BYTE_CHARACTERS } from '#lib/text/bpe/fresh'
import { tokenizerJson } from '#lib/text/bpe/tokenizer_json'
import { unspacedWords } from '#lib/text/bpe/unspaced_words'

const FLAGS = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
const NO_MODEL = {
  type: 'BPE',
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
}

/** tokenizer.json; `merges` learnt on `text`. Three special tokens, which the model's own vocabulary does not have. */
export async function byteLevelOn(text, merges, { ignoreMerges = false } = {}) {
  const around = { normalizer: null, pre_tokenizer: BYTE_LEVEL }
  const learnt = await learn(text, around, [...BYTE_CHARACTERS].sort(), merges)
  const first = learnt.tokens.length
  const added = ['<|begin|>', '<|tag|>', '<|end|>'].map((content, i) => ({
    id: first + i,
    content,
    ...FLAGS,
  }))
  const frame = [{ SpecialToken: { id: '<|begin|>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }]
  const post_processor = {
    type: 'TemplateProcessing',
    single: frame,
    pair: [...frame, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { '<|begin|>': { id: '<|begin|>', ids: [first], tokens: ['<|begin|>'] } },
  }
  const content = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    ...around,
    post_processor,
  }
  const model = { ...NO_MODEL, ignore_merges: ignoreMerges, merges: learnt.merges }
  return tokenizerJson({ ...content, decoder: BYTE_LEVEL }, model, numbered(learnt.tokens))
}

/** The same of the other kind: characters of `text`, and bytes for all others. */
export async function sentencePieceOn(text, merges) {
  const special = ['<unk>', '<s>', '</s>']
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`)
  const normalizer = {
    type: 'Sequence',
    normalizers: [
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ],
  }
  const around = { normalizer, pre_tokenizer: null }
  const characters = [...new Set(`▁${text.replaceAll(/\s/g, '▁')}`)].sort()
  const learnt = await learn(text, around, characters, merges)
  const tokens = [...special, ...bytes, ...learnt.tokens]
  const content = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((token, id) => ({ id, content: token, ...FLAGS })),
    ...around,
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
  }
  const model = {
    ...NO_MODEL,
    unk_token: '<unk>',
    fuse_unk: true,
    byte_fallback: true,
    merges: learnt.merges,
  }
  return tokenizerJson(content, model, numbered(tokens))
}

const numbered = (tokens) => tokens.map((token, id) => [token, id])

async function learn(text, around, characters, count) {
  const { words, counts } = wordsOf(text, around)
  const ids = new Map(numbered(characters))
  const rows = words.map((word) => [...word].map((character) => ids.get(character)))
  const { merges } = await runJob('trainBpe', {
    tokens: characters,
    words: Int32Array.from(rows.flat()),
    lengths: Int32Array.from(rows, (row) => row.length),
    counts,
    vocab_size: characters.length + count,
    min_count: 1,
    max_token_length: 0,
    threads: 1,
  })
  const tokens = [...characters]
  const pairs = []
  const triples = new Int32Array(merges)
  for (let i = 0; i < triples.length; i += 3) {
    const [left, right] = [tokens[triples[i]], tokens[triples[i + 1]]]
    pairs.push([left, right])
    if (triples[i + 2] === tokens.length) tokens.push(left + right)
  }
  return { tokens, merges: pairs }
}

/** As countWords, at once: the lines of a text as words with their counts. */
export function wordsOf(text, around) {
  const nothing = { truncation: null, padding: null, added_tokens: [], post_processor: null, decoder: null }
  const model = { type: 'BPE', vocab: {}, merges: [] }
  const hub = HubTokenizer.fromString(JSON.stringify({ version: '1.0', ...nothing, ...around, model }))
  const counts = new Map()
  for (const line of text.split('\n')) {
    const normal = hub.getNormalizer()?.normalizeString(line) ?? line
    const words =
      hub
        .getPreTokenizer()
        ?.preTokenizeString(normal)
        .map(([word]) => word) ?? unspacedWords(normal)
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  return { words: [...counts.keys()], counts: Float64Array.from(counts.values()) }
}
