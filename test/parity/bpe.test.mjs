// Tokens learnt from text: our merges against those of the Python library's BpeTrainer, one for one, and the folder of
// `vocab train` in transformers.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { trainVocabulary } from 'tongueforge'
import { Random } from '#lib/text/random'
import { byId, trainWords, wordsOf } from '../helpers/bpe.mjs'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { bpeReference } from '../helpers/reference.mjs'

const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
const WHITESPACE = { type: 'Whitespace' }
const MARKED = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }
const LONG = 400_000

/** Metaspace cuts at each ▁ and nowhere else; the further cuts of ours are not Python's. */
function markedWords(texts) {
  const counts = new Map()
  for (const text of texts)
    for (const word of `▁${text.replaceAll(' ', '▁')}`.match(/▁[^▁]*/g))
      counts.set(word, (counts.get(word) ?? 0) + 1)
  return { words: [...counts.keys()], counts: [...counts.values()] }
}

/** One process of Python trains for all the cases. */
async function assertEqual(t, texts, cases) {
  const all = await bpeReference(['train'], { texts, cases })
  for (const [i, options] of cases.entries()) {
    const marked = options.pre_tokenizer === MARKED
    const found = await trainWords(marked ? markedWords(texts) : await wordsOf(texts, options), options)
    for (const [rank, merge] of found.merges.entries())
      assert.equal(
        merge.join(' '),
        all[i].merges[rank]?.join(' '),
        `rank ${rank}, ${JSON.stringify(options)}`,
      )
    assert.equal(found.merges.length, all[i].merges.length)
    assert.deepEqual(found.vocab, byId(all[i].vocab))
    t.diagnostic(`${found.merges.length} merges`)
  }
}

const lines = (file, length = LONG) => readFileSync(file, 'utf8').slice(0, length).split('\n')
const records = (file) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).text)

describe('merges are those of the Python trainer', () => {
  const corpora = {
    English: ['corpus/en_tinyshakespeare.txt', lines],
    Japanese: ['corpus/ja_wagahai.txt', lines],
    Chinese: ['corpus/zh_hant_gsd_dev.txt', lines],
    'seventeen languages': ['corpus/tatoeba_parallel.jsonl', records],
    'all languages of a declaration': ['corpus/udhr_all_langs.jsonl', records],
  }
  for (const [name, [file, read]] of Object.entries(corpora))
    dataTest(`${name}: byte-level, by whitespace and by ▁, several sizes`, file, (t, path) =>
      assertEqual(t, read(path), [
        { pre_tokenizer: BYTE_LEVEL, alphabet: 'bytes', vocab_size: 700, min_frequency: 0 },
        { pre_tokenizer: BYTE_LEVEL, alphabet: 'bytes', vocab_size: 12000, min_frequency: 2 },
        { pre_tokenizer: WHITESPACE, vocab_size: 5000, min_frequency: 2 },
        { pre_tokenizer: MARKED, vocab_size: 7000, min_frequency: 3 },
      ]),
    )

  dataTest('special tokens first, long tokens left out', 'corpus/genesis_french.txt', (t, path) => {
    const how = { pre_tokenizer: BYTE_LEVEL, alphabet: 'bytes', special: ['<unk>', '<s>'] }
    const lengths = [3, 4, 6, 9]
    return assertEqual(
      t,
      lines(path),
      lengths.map((longest) => ({
        ...how,
        vocab_size: 4000,
        min_frequency: 1,
        max_token_length: longest,
      })),
    )
  })

  test('random texts with runs of a character, where pairs arise again', async (t) => {
    const seed = Date.now() % 1e6
    t.diagnostic(`seed ${seed}`)
    for (const [round, letters] of ['aa', 'aab', 'aab-', 'ab', 'aabb', 'aaaaab'].entries()) {
      const random = new Random(seed + round)
      const letter = () => letters[random.below(letters.length)]
      const word = () => Array.from({ length: 1 + random.below(14) }, letter).join('')
      const texts = Array.from({ length: 60 }, () => Array.from({ length: 20 }, word).join(' '))
      const split = { pre_tokenizer: { type: 'WhitespaceSplit' }, vocab_size: 400 }
      await assertEqual(t, texts, [
        { ...split, min_frequency: 0 },
        { ...split, min_frequency: 2 },
      ])
    }
  })
})

describe('vocab train', () => {
  const texts = [
    'Zoë sees 12345 cats.',
    '  two  spaces\n\nand lines\r\n',
    '你好，世界！',
    'กำลังเรียน',
    'हिन्दी में',
    '😀👩‍👩‍👧 ---- ====',
  ]
  const folder = temporaryFolder({
    'corpus.txt': `${Array.from({ length: 50 }, () => texts.join('\n')).join('\n')}\n`,
    'template.jinja':
      "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>{% endfor %}",
  })

  test('writes the vocabulary and merges of the Python trainer, and a folder that AutoTokenizer reads', async () => {
    const out = join(folder, 'out')
    await trainVocabulary({
      data: { path: join(folder, 'corpus.txt'), split: 'line' },
      out,
      size: 420,
      minCount: 1,
      bosToken: '<s>',
      eosToken: '<|im_end|>',
      specialTokens: ['<|im_start|>'],
      chatTemplate: join(folder, 'template.jinja'),
      threads: 1,
    })
    const { model, pre_tokenizer } = JSON.parse(readFileSync(join(out, 'tokenizer.json'), 'utf8'))
    const corpus = readFileSync(join(folder, 'corpus.txt'), 'utf8')
      .split(/\r?\n/)
      .map((line) => line.trimEnd())
    const how = {
      pre_tokenizer,
      alphabet: 'bytes',
      special: ['<s>', '<|im_end|>', '<|im_start|>'],
      vocab_size: 420,
      min_frequency: 1,
      max_token_length: 65,
    }
    const given = corpus.filter((line) => line !== '')
    const [expected] = await bpeReference(['train'], { texts: given, cases: [how] })
    assert.deepEqual(model.merges, expected.merges)
    assert.deepEqual(model.vocab, expected.vocab)

    const loaded = await bpeReference(['load', out], texts)
    assert.deepEqual(loaded.texts, texts)
    for (const ids of loaded.ids) assert.equal(ids[0], 0, 'bos first')
    assert.deepEqual(loaded.special, { bos_token: '<s>', eos_token: '<|im_end|>', pad_token: null })
    assert.deepEqual(loaded.all_special, ['<s>', '<|im_end|>', '<|im_start|>'])
    assert.equal(loaded.chat, '<s><|im_start|>user\nhi<|im_end|>')
  })

  test('like another tokenizer, itself made so: the same framing, template and settings', async () => {
    const first = join(folder, 'out')
    const out = join(folder, 'like')
    writeFileSync(join(folder, 'other.txt'), 'other text other text with other words\n'.repeat(20))
    await trainVocabulary({ data: join(folder, 'other.txt'), out, size: 280, like: first })
    const loaded = await bpeReference(['load', out], texts)
    assert.deepEqual(loaded.texts, texts)
    for (const ids of loaded.ids) assert.equal(ids[0], 0, 'bos first')
    assert.equal(loaded.chat, '<s><|im_start|>user\nhi<|im_end|>')
    assert.deepEqual(loaded.special, { bos_token: '<s>', eos_token: '<|im_end|>', pad_token: null })
  })
})
