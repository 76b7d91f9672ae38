import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { Tokenizer } from 'tokenizers'
import { corpusTexts } from '#lib/text/bpe/corpus_texts'
import { unspacedWords } from '#lib/text/bpe/unspaced_words'
import { countWords, cutsAtSpacesAlone } from '#lib/text/bpe/word_counts'
import { temporaryFolder } from '../../helpers/folders.mjs'
import { byteLevelTokenizer, sentencePieceTokenizer } from '../../helpers/tokenizers.mjs'

const byteLevel = JSON.parse(byteLevelTokenizer())
byteLevel.pre_tokenizer.use_regex = true
const sentencePiece = JSON.parse(sentencePieceTokenizer())

const texts = [
  'the cat sat on the mat',
  "it's the 12 cats; 3 more\n\n  and a tab\there",
  '你好嗎？我很好，謝謝你。',
  'Zoë naïve café',
  '😀😀 ok',
  '',
  'tschüß',
]

async function* given(list) {
  yield* list
}
const sorted = ({ words, counts }) =>
  words.map((word, i) => [word, counts[i]]).sort(([a], [b]) => (a < b ? -1 : 1))
function expected(content, list, cut = (word) => [word]) {
  const hub = Tokenizer.fromString(JSON.stringify(content))
  const all = new Map()
  for (const text of list) {
    const normal = hub.getNormalizer()?.normalizeString(text) ?? text
    const words = hub
      .getPreTokenizer()
      ?.preTokenizeString(normal)
      .map(([word]) => word) ?? [normal]
    for (const word of words.flatMap(cut)) all.set(word, (all.get(word) ?? 0) + 1)
  }
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1))
}

test('words are those of the tokenizer’s own pre_tokenizer, whatever the number of threads', async () => {
  const many = Array.from({ length: 700 }, (_, i) => texts[i % texts.length])
  for (const threads of [1, 2, 3]) {
    const counted = await countWords(given(many), byteLevel, { threads })
    assert.deepEqual(sorted(counted), expected(byteLevel, many))
    assert.equal(counted.texts, 700)
    assert.equal(counted.bytes, Buffer.byteLength(many.join('')))
    assert.equal(counted.characters, [...many.join('')].length)
    assert.equal(counted.forgotten, 0)
  }
})

test('at most eight threads count, however many are asked for', {
  skip: process.platform !== 'linux',
}, async () => {
  const running = () => Number(/Threads:\t(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
  const before = running()
  let most = 0
  const onProgress = () => {
    most = Math.max(most, running())
  }
  await countWords(given(texts), byteLevel, { threads: 40, onProgress })
  assert.ok(most > before && most <= before + 16, `${most - before} threads more`)
})

test('without a pre_tokenizer, words end before each ▁, and letters, digits and marks are apart', async () => {
  const { words } = await countWords(given(['ab  cd, 12x\ny']), sentencePiece)
  assert.deepEqual(new Set(words), new Set(['▁ab', '▁', '▁cd', ',', '▁1', '2', 'x', '\n', 'y']))
  for (const [kind, alone] of [
    [null, true],
    [undefined, true],
    [{ type: 'Metaspace', split: false }, true],
    [{ type: 'ByteLevel' }, false],
  ])
    assert.equal(cutsAtSpacesAlone(kind), alone)
})

test('no character of a text is lost between its words', () => {
  const character = fc.constantFrom(...'▁▁ab12.,\n\t 你é😀', 'e\u0301', '\u0e01\u0e33')
  fc.assert(
    fc.property(fc.array(character), (characters) => {
      const text = characters.join('')
      const words = unspacedWords(text)
      assert.equal(words.join(''), text)
      for (const word of words) assert.match(word, /^(▁*|.[^▁]*)$/su, 'indentation, or one word')
    }),
  )
})

test('memory is bounded: the rarest words are forgotten, counted, and the frequent ones stay', async () => {
  const seldom = Array.from({ length: 3000 }, (_, i) => `often w${i}`)
  const counted = await countWords(given(seldom), byteLevel, {
    threads: 2,
    limits: { words: 100, characters: 1e6 },
  })
  assert.ok(counted.words.length <= 100, `${counted.words.length} words`)
  const sum = counted.counts.reduce((a, b) => a + b, 0)
  const all = expected(byteLevel, seldom).reduce((total, [, count]) => total + count, 0)
  assert.equal(sum + counted.forgotten, all)
  assert.equal(counted.counts[counted.words.indexOf('often')], 3000)

  const longer = await countWords(given(seldom), byteLevel, {
    threads: 1,
    limits: { words: 1e6, characters: 500 },
  })
  assert.ok(longer.words.join('').length <= 500)
  assert.ok(longer.forgotten > 0)
})

test('the last thing told of counting is all of it', async () => {
  const told = []
  const { bytes } = await countWords(given(['the cat', 'sat']), byteLevel, {
    onProgress: (progress) => told.push(progress),
  })
  assert.deepEqual(told.at(-1), { texts: 2, bytes })
})

test('counting is told of and can be stopped', async () => {
  const stop = new AbortController()
  const reason = new Error('enough')
  async function* endless() {
    for (;;) yield texts.join('\n').repeat(20)
  }
  let bytes = 0
  const counting = countWords(endless(), byteLevel, {
    threads: 1,
    signal: stop.signal,
    onProgress(progress) {
      assert.ok(progress.bytes >= bytes)
      bytes = progress.bytes
      if (progress.texts > 500) stop.abort(reason)
    },
  })
  await assert.rejects(counting, (error) => error === reason)
  assert.ok(bytes > 0)
})

test('a pre_tokenizer that is none, and a failure of the source, are told', async () => {
  const wrong = { normalizer: null, pre_tokenizer: { type: 'Nonsense' } }
  await assert.rejects(countWords(given(['a']), wrong), ({ code, message, hint }) => {
    assert.equal(code, 'ERR_TOKENIZER')
    assert.match(message, /text cannot be cut into words: .*pre_?tokenizer|variant/i)
    assert.match(hint, /pre_tokenizer/)
    return true
  })
  async function* failing() {
    yield 'a'
    throw new Error('gone')
  }
  await assert.rejects(countWords(failing(), byteLevel), { message: 'gone' })
})

test('texts of sources: documents, turns, and records that may be left out', async () => {
  const folder = temporaryFolder({
    'a.txt': 'one\n\ntwo\n',
    'b.jsonl': `${JSON.stringify({
      messages: [
        { role: 'user', content: 'ask' },
        { role: 'assistant', content: 'answer' },
      ],
    })}\n`,
    'c.jsonl': '{"text": "three"}\nnot json\n',
  })
  const source = (name, more) => ({ path: join(folder, name), invalid: 'fail', max_invalid: 0.01, ...more })
  const all = async (...sources) => {
    const found = []
    const warnings = []
    for await (const text of corpusTexts(sources, { onWarning: (line) => warnings.push(line) }))
      found.push(text)
    return { found, warnings }
  }
  const { found } = await all(source('a.txt'), source('b.jsonl'))
  assert.deepEqual(found, ['one', 'two', 'ask', 'answer'])
  const skipping = source('c.jsonl', { invalid: 'skip', max_invalid: 1 })
  const { found: left, warnings } = await all(skipping)
  assert.deepEqual(left, ['three'])
  assert.match(warnings.join(), /c\.jsonl: 1 records are left out/)
  await assert.rejects(all(source('c.jsonl')), { code: 'ERR_DATA' })
  await assert.rejects(all({ ...skipping, max_invalid: 0.2 }), ({ code, message, hint }) => {
    assert.equal(code, 'ERR_DATA')
    assert.match(message, /1 of 2 records cannot be read, more than max_invalid allows/)
    assert.match(hint, /raise max_invalid/)
    return true
  })
  writeFileSync(join(folder, 'd.bin'), '')
  assert.match((await all({ ...skipping, path: folder })).warnings.join(), /1 files of other kinds/)
})
