// Two tiny tokenizers of the kinds that models have, as the text of their tokenizer.json: made here, so that no test
// needs a download.
import { byteLevelAlphabet } from 'tokenizers'

const added = (tokens) =>
  Object.entries(tokens).map(([content, id]) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }))

// The library's alphabet is sorted; byte 0 to 255 stand in it in the order of GPT-2's table.
const printable = [...range(33, 126), ...range(161, 172), ...range(174, 255)]
const others = range(0, 255).filter((byte) => !printable.includes(byte))
/** The character of GPT-2's alphabet for each byte. */
export const BYTES = Array.from({ length: 256 }, (_, byte) =>
  String.fromCodePoint(printable.includes(byte) ? byte : 256 + others.indexOf(byte)),
)
if ([...byteLevelAlphabet()].sort().join() !== [...BYTES].sort().join())
  throw new Error('the byte alphabet has changed')

function range(first, last) {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

/** Byte-level BPE with `<|im_start|>` and `<|im_end|>`; its merges join bytes of neighbouring characters too. */
export function byteLevelTokenizer() {
  const { tokens, merges } = learnMerges('你好嗎？我很好，謝謝你。早安😀😀 hello world hello', 40)
  const vocab = Object.fromEntries([...BYTES, ...tokens].map((token, id) => [token, id]))
  const first = Object.keys(vocab).length
  return JSON.stringify({
    version: '1.0',
    truncation: { direction: 'Right', max_length: 4, strategy: 'LongestFirst', stride: 0 },
    padding: null,
    added_tokens: added({ '<|endoftext|>': first, '<|im_start|>': first + 1, '<|im_end|>': first + 2 }),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges,
    },
  })
}

// Merges whatever bytes stand beside each other most often, across characters as well: real vocabularies have such
// tokens, and a stream of them is the hard case.
function learnMerges(text, count) {
  let pieces = [...Buffer.from(text)].map((byte) => BYTES[byte])
  const merges = []
  while (merges.length < count) {
    const counts = new Map()
    for (let i = 1; i < pieces.length; i++) {
      const pair = `${pieces[i - 1]} ${pieces[i]}`
      counts.set(pair, (counts.get(pair) ?? 0) + 1)
    }
    const [best] = [...counts].sort((a, b) => b[1] - a[1])[0]
    const [left, right] = best.split(' ')
    merges.push([left, right])
    const next = []
    for (let i = 0; i < pieces.length; i++) {
      const joins = pieces[i] === left && pieces[i + 1] === right
      next.push(joins ? left + right : pieces[i])
      if (joins) i++
    }
    pieces = next
  }
  return { merges, tokens: [...new Set(merges.map((pair) => pair.join('')))] }
}

/** SentencePiece-like BPE with byte fallback; `<s>` before a text, the space of a first word dropped on decoding. */
export function sentencePieceTokenizer() {
  const words = ['▁', ...'abcdefghijklmnopqrstuvwxyz.,', '▁a', '▁t', 'he', '▁the', 'lo']
  const tokens = [
    '<unk>',
    '<s>',
    '</s>',
    ...range(0, 255).map((byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
    ...words,
  ]
  const bos = { SpecialToken: { id: '<s>', type_id: 0 } }
  return JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added({ '<unk>': 0, '<s>': 1, '</s>': 2 }),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [bos, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [bos, { Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [
        ['▁', 'a'],
        ['▁', 't'],
        ['h', 'e'],
        ['▁t', 'he'],
        ['l', 'o'],
      ],
    },
  })
}

/** ChatML, as Qwen writes it. */
export const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

/** Words, split at blanks; `vocab`: their ids, which need not be dense. */
export const wordTokenizer = (vocab, specials = {}) =>
  JSON.stringify({
    ...{
      version: '1.0',
      truncation: null,
      padding: null,
      normalizer: null,
      post_processor: null,
      decoder: null,
    },
    added_tokens: added(specials),
    pre_tokenizer: { type: 'WhitespaceSplit' },
    model: { type: 'WordLevel', vocab: { ...vocab, ...specials }, unk_token: Object.keys(vocab)[0] },
  })
