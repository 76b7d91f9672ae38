// tokenizer.json: loaded, and used once, as loadModel and whatever reads text do. The library behind it is Rust, and ends
// the process where it panics: each of these is found in the text before.
import { Tokenizer } from '#lib/text/tokenizer'
import { tokenizer, WORDS } from '../making/model.mjs'

const load = async (folder) => {
  const loaded = await Tokenizer.load(folder)
  await loaded.decode(await loaded.encode('ab ab', { addSpecialTokens: true }))
  await loaded.addedAround()
}

const row = (name, content, says = []) => ({
  name,
  files: { 'tokenizer.json': content },
  call: load,
  code: 'ERR_TOKENIZER',
  file: 'tokenizer.json',
  says,
})
/** The whole one with some keys of its own, or of its model. */
const withKeys = (name, changes, says) => row(name, tokenizer(changes), says)
const withModel = (name, changes, says) =>
  row(name, tokenizer({ model: { ...tokenizer().model, ...changes } }), says)
const split = (pattern) => ({ type: 'Split', pattern, behavior: 'Isolated', invert: false })
const replace = (pattern, content) => ({ type: 'Replace', pattern, content })
const sequence = (key, parts) => ({ type: 'Sequence', [key]: parts })
const added = (changes) => ({
  ...{
    id: 8,
    content: '<x>',
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  },
  ...changes,
})
const template = (changes) => ({
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
  special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
  ...changes,
})

const COSTLY = {
  'nested loops': '(a+)+c',
  'loops in loops': '((a*)*)*c',
  'alternatives in a loop': '(a|ab)+c',
  'three loops side by side': 'a*a*a*[cd]',
  'two loops of anything': '.*.*=',
  'an optional in a loop': '(a?){50,}',
  'bounded loops in bounded loops': '(a{1,1000}){1,1000}',
  'a loop in a lookahead': '(?=(a+)+b)',
  'a reference': '(a*)\\1',
  'a recursion': '(?<x>a\\g<x>?)',
  'a condition': '(?(1)a|b)',
  'an absent operator': '(?~abc)',
  'a repeated repetition': '(?:a{2,4}){30}{30}',
  'a hundred groups within each other': `${'('.repeat(100)}a${')'.repeat(100)}`,
  '10,000 characters': 'a'.repeat(10_000),
  'too many repetitions': 'a{100000}',
  'an open group': '(a',
  'an open class': '[a',
  'a bracket too many': 'a)',
  'a backslash at its end': 'a\\',
}

const charsmap = (trie, texts = '') => {
  const bytes = Buffer.alloc(4 + 4 * trie.length)
  bytes.writeUInt32LE(4 * trie.length, 0)
  trie.forEach((unit, i) => void bytes.writeUInt32LE(unit >>> 0, 4 + 4 * i))
  return {
    type: 'Precompiled',
    precompiled_charsmap: Buffer.concat([bytes, Buffer.from(texts, 'latin1')]).toString('base64'),
  }
}
/** A trie of one block whose byte 'a' ends in a text at `place`. */
const oneText = (place) => {
  const trie = new Array(256).fill(0)
  trie[0] = 0 // offset 0: children at their own byte
  trie[97] = 97 | 0x100 | (1 << 10) // label a, has a leaf at 97 ^ 1
  trie[96] = 0x80000000 | place
  return trie
}

const CHARSMAPS = {
  'a table that is no base64': { type: 'Precompiled', precompiled_charsmap: '!!!' },
  'an empty table': { type: 'Precompiled', precompiled_charsmap: '' },
  'a table that is null': { type: 'Precompiled', precompiled_charsmap: null },
  'a table of three bytes': { type: 'Precompiled', precompiled_charsmap: 'AAAA' },
  'a trie of no units': charsmap([]),
  'a trie of 4 GB': {
    type: 'Precompiled',
    precompiled_charsmap: Buffer.from('\xff'.repeat(39), 'latin1').toString('base64'),
  },
  'a trie of one unit': charsmap([0xffffffff]),
  'a trie that leads out': charsmap(oneText(0).map((unit, i) => (i === 97 ? 97 | (0x1fffff << 10) : unit))),
  'a root that leads out': charsmap([0x3fffff << 10, ...oneText(0).slice(1)]),
  'a text beyond the end': charsmap(oneText(1000), 'x'),
  'a text within a character': charsmap(oneText(1), '\xc3\xa4'),
  'texts that are no UTF-8': charsmap(oneText(0), '\xff\xff'),
}

const BROKEN_FILES = {
  'an empty file': '',
  'a file cut short': JSON.stringify(tokenizer()).slice(0, 300),
  'a list': '[]',
  null: 'null',
  'a number': '1',
  'a text': '"x"',
  'no JSON': 'tokenizer',
  'a file of no keys': '{}',
  'bytes that are no UTF-8': Buffer.from([0x7b, 0xff, 0xfe, 0x7d]),
  'UTF-16': Buffer.from(JSON.stringify(tokenizer()), 'utf16le'),
  'a NUL at the end': `${JSON.stringify(tokenizer())}\0`,
  'two documents': `${JSON.stringify(tokenizer())}{}`,
  '100,000 open brackets': '['.repeat(100_000),
  '100,000 open tables': '{"a":'.repeat(100_000),
  'deep nesting of a key nobody reads': `{"x":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
  'a version of its own': JSON.stringify({ ...tokenizer(), version: '9.9' }),
}

/** A wrong type for each key. */
const TYPES = { text: 'x', number: 7, list: [1], 'a negative number': -1, true: true }

export const tokenizerFiles = () => [
  ...Object.entries(BROKEN_FILES).map(([name, content]) => row(name, content)),
  ...Object.entries(COSTLY).flatMap(([name, Regex]) => [
    withKeys(`a pre-tokenizer with ${name}`, { pre_tokenizer: split({ Regex }) }, ['pre_tokenizer']),
    withKeys(`a normalizer with ${name}`, { normalizer: sequence('normalizers', [replace({ Regex }, '')]) }, [
      'normalizer',
    ]),
    withKeys(`a decoder with ${name}`, { decoder: replace({ Regex }, '') }, ['decoder']),
  ]),
  ...Object.entries(CHARSMAPS).map(([name, normalizer]) =>
    withKeys(name, { normalizer }, ['precompiled_charsmap']),
  ),
  ...['model', 'normalizer', 'pre_tokenizer', 'post_processor', 'decoder', 'added_tokens'].flatMap((key) =>
    Object.entries(TYPES).map(([type, value]) => withKeys(`${key}: ${type}`, { [key]: value })),
  ),
  ...['normalizer', 'pre_tokenizer', 'post_processor', 'decoder', 'model'].map((key) =>
    withKeys(`${key} of an unknown type`, { [key]: { type: 'Frobnicate' } }),
  ),
  ...[2 ** 24, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 1e300, -1, 0.5, '1', null].flatMap((id) => [
    withModel(`a vocabulary with the id ${id}`, { vocab: { ...tokenizer().model.vocab, z: id } }, ['vocab']),
    withKeys(`an added token with the id ${id}`, { added_tokens: [added({ id })] }, ['added_tokens']),
  ]),
  ...[2 ** 24, 2 ** 31, 2 ** 32 - 1].flatMap((id) => [
    withKeys(`a template with the id ${id}`, {
      post_processor: template({ special_tokens: { '<s>': { id: '<s>', ids: [id], tokens: ['<s>'] } } }),
    }),
    withKeys(`RoBERTa's frame with the id ${id}`, {
      post_processor: {
        type: 'RobertaProcessing',
        sep: ['x', id],
        cls: ['y', 1],
        trim_offsets: true,
        add_prefix_space: false,
      },
    }),
    withKeys(`BERT's frame with the id ${id}`, {
      post_processor: { type: 'BertProcessing', sep: ['x', 1], cls: ['y', id] },
    }),
  ]),
  withKeys(
    'a template with a token that is not there',
    { post_processor: template({ special_tokens: {} }) },
    ['single'],
  ),
  withKeys('a template in a sequence with a token that is not there', {
    post_processor: sequence('processors', [template({ special_tokens: {} })]),
  }),
  withKeys('a pair template with a token that is not there', {
    post_processor: template({ pair: [{ SpecialToken: { id: 'no', type_id: 0 } }] }),
  }),
  withKeys('a template of 5,000 tokens', {
    post_processor: template({ single: new Array(5000).fill({ SpecialToken: { id: '<s>', type_id: 0 } }) }),
  }),
  withKeys('a template token of 5,000 ids', {
    post_processor: template({
      special_tokens: {
        '<s>': { id: '<s>', ids: new Array(5000).fill(1), tokens: new Array(5000).fill('<s>') },
      },
    }),
  }),
  withKeys('pieces of length 0', { pre_tokenizer: { type: 'FixedLength', length: 0 } }, ['length']),
  withKeys('pieces of length 0 in a sequence', {
    pre_tokenizer: sequence('pretokenizers', [{ type: 'FixedLength', length: 0 }]),
  }),
  withKeys('a replacement of 1 by 1,000', { normalizer: replace({ String: 'a' }, 'a'.repeat(1000)) }, [
    'normalizer',
  ]),
  withKeys('twenty replacements of 1 by 10', {
    normalizer: sequence('normalizers', new Array(20).fill(replace({ String: 'a' }, 'a'.repeat(10)))),
  }),
  withKeys('a replacement of nothing by 1,000', { normalizer: replace({ Regex: '' }, 'a'.repeat(1000)) }),
  withKeys('a decoder that replaces 1 by 1,000', { decoder: replace({ String: 'a' }, 'a'.repeat(1000)) }, [
    'decoder',
  ]),
  withKeys('1,000 normalizers', {
    normalizer: sequence('normalizers', new Array(1000).fill({ type: 'Lowercase' })),
  }),
  withKeys('normalizers within each other', {
    normalizer: new Array(150)
      .fill(0)
      .reduce((inner) => sequence('normalizers', [inner]), { type: 'Lowercase' }),
  }),
  withKeys('a Metaspace of two characters', {
    pre_tokenizer: { type: 'Metaspace', replacement: 'ab', prepend_scheme: 'always', split: true },
  }),
  withModel('a merge of a token that is not there', { merges: [['a', 'zz']] }),
  withModel('a merge whose result is not there', { merges: [['a', 'b']] }),
  withModel('a merge of three', { merges: [['a', 'b', 'c']] }),
  withModel('a merge as a number', { merges: [1] }),
  withModel('a merge as a text of three words', { merges: ['a b c'] }),
  withModel(
    'a prefix longer than what is merged',
    { continuing_subword_prefix: '##########', merges: [['a', 'b']] },
    ['merges'],
  ),
  withModel('a prefix that cuts a character', {
    ...{ continuing_subword_prefix: 'éé', vocab: { a: 0, é: 1, aé: 2 }, merges: [['a', 'é']] },
  }),
  withModel('a dropout of 2', { dropout: 2 }),
  withModel('a dropout of -1', { dropout: -1 }),
  withModel('a vocabulary as a list', { vocab: ['a', 'b'] }),
  withModel('no merges', { merges: undefined }),
  withModel('no vocabulary', { vocab: undefined }),
  withKeys('a Unigram of no pieces', { model: { type: 'Unigram', unk_id: 0, vocab: [] } }),
  withKeys('a Unigram whose unknown token is not there', {
    model: { type: 'Unigram', unk_id: 5, vocab: [['a', -1]] },
  }),
  withKeys('a Unigram with a piece without a score', {
    model: { type: 'Unigram', unk_id: 0, vocab: [['a']] },
  }),
  withKeys('a Unigram without an unknown token', {
    model: { type: 'Unigram', unk_id: null, vocab: [['z', -1]] },
  }),
  withKeys('a WordPiece without its unknown token', {
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: { z: 0 },
    },
  }),
  withKeys('a WordLevel without its unknown token', {
    model: { type: 'WordLevel', unk_token: '[UNK]', vocab: { z: 0 } },
  }),
  ...[' ', 'a'].map((character) => ({
    name: `a text of ten million ${JSON.stringify(character)}`,
    files: { 'tokenizer.json': tokenizer({ pre_tokenizer: split({ Regex: PATTERNS['Llama 3'] }) }) },
    call: async (folder) => (await Tokenizer.load(folder)).encode(`${character.repeat(1e7)}b c`),
    code: 'ERR_DATA',
    says: ['stretch'],
    limits: { cpuMs: 500 },
  })),
  ...good(),
]

const PATTERNS = {
  'GPT-2': "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  'Llama 3':
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  'Qwen 2':
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  o200k:
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  'DeepSeek V3':
    '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  'a class within a class': '[\\p{L}&&[^\\p{Han}]]+|\\p{Han}+',
  'digits in threes from the right': '\\p{N}{1,3}(?=(?:\\p{N}{3})*(?:\\P{N}|$))',
  'blanks in a row': ' {2,}',
  BLOOM: ' ?[^(\\s|[.,!?…。，、।۔،])]+',
}

/** Well-formed ones. */
const good = () => [
  ...Object.entries(PATTERNS).map(([name, Regex]) =>
    accepted(`the pattern of ${name}`, tokenizer({ pre_tokenizer: split({ Regex }) })),
  ),
  accepted('the small vocabulary', tokenizer()),
  accepted('a byte order mark', `\ufeff${JSON.stringify(tokenizer())}`),
  accepted('blanks and line ends', JSON.stringify(tokenizer(), null, '\t').replaceAll('\n', '\r\n')),
  accepted(
    'merges as texts',
    tokenizer({
      model: { ...tokenizer().model, vocab: { ...tokenizer().model.vocab, ab: 8 }, merges: ['a b'] },
    }),
  ),
  accepted(
    'merges as pairs',
    tokenizer({
      model: { ...tokenizer().model, vocab: { ...tokenizer().model.vocab, ab: 8 }, merges: [['a', 'b']] },
    }),
  ),
  accepted('truncation and padding, which are left out', {
    ...tokenizer(),
    truncation: { direction: 'Right', max_length: 2, strategy: 'LongestFirst', stride: 0 },
    padding: {
      strategy: { Fixed: 1e9 },
      direction: 'Right',
      pad_to_multiple_of: 0,
      pad_id: 0,
      pad_type_id: 0,
      pad_token: 'a',
    },
  }),
  accepted(
    'an added token behind a gap',
    tokenizer({ added_tokens: [...tokenizer().added_tokens, added({ id: 100 })] }),
  ),
  accepted('an empty added token', tokenizer({ added_tokens: [added({ content: '' })] })),
  accepted('a template', tokenizer({ post_processor: template({}) })),
  accepted(
    'a template without tokens',
    tokenizer({ post_processor: template({ single: [{ Sequence: { id: 'A', type_id: 0 } }] }) }),
  ),
  accepted('a table of SentencePiece', tokenizer({ normalizer: charsmap(oneText(0), 'b\0') })),
  accepted(
    'a Unigram',
    tokenizer({
      added_tokens: [],
      model: { type: 'Unigram', unk_id: 0, vocab: WORDS.map((word, i) => [word, -i]) },
    }),
  ),
  accepted(
    'replacements as SentencePiece has them',
    tokenizer({
      normalizer: sequence('normalizers', [{ type: 'Prepend', prepend: '▁' }, replace({ String: ' ' }, '▁')]),
      decoder: sequence('decoders', [
        replace({ String: '▁' }, ' '),
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ]),
    }),
  ),
]

const accepted = (name, content) => ({ name, files: { 'tokenizer.json': content }, call: load })
