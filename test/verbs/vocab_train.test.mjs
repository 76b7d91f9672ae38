// `vocab train` and trainVocabulary: what the folder holds, what ends the learning, and what is refused.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadModel, trainVocabulary } from 'tongueforge'
import { Tokenizer } from '#lib/text/tokenizer'
import { train } from '#lib/verbs/train'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { byteLevelTokenizer, sentencePieceTokenizer } from '../helpers/tokenizers.mjs'

const sentences = [
  'The color of Anna is red, and the color of Boris is blue.',
  'Zoë ate 1234567 cakes; she’s fine!',
  '  two  spaces\n    and an indented line',
  '你好，世界！謝謝你。',
  'กำลังเรียนภาษาไทย हिन्दी',
  '😀👩‍👩‍👧 ------ ======',
]
const template =
  "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
const home = temporaryFolder({
  'corpus.txt': `${Array.from({ length: 30 }, () => sentences.join('\n\n')).join('\n\n')}\n`,
  'template.jinja': template,
  'broken.jinja': '{% for %}',
  'empty.txt': '\n\n',
})
const corpus = join(home, 'corpus.txt')
let folders = 0
const fresh = () => join(home, `out-${folders++}`)
const read = (folder, name = 'tokenizer.json') => JSON.parse(readFileSync(join(folder, name), 'utf8'))

test('text comes back byte for byte, in fewer tokens, and the report says so', async () => {
  const stages = new Set()
  const out = fresh()
  const report = await trainVocabulary(
    { data: corpus, out, size: 500, threads: 1 },
    { onProgress: ({ stage }) => stages.add(stage) },
  )
  assert.deepEqual([...stages], ['count', 'learn'])
  const tokenizer = await Tokenizer.load(out)
  let tokens = 0
  for (const text of [...sentences, 'unseen: Ωmega \u0000\uffff 中文字', ' ']) {
    const ids = await tokenizer.encode(text)
    assert.equal(await tokenizer.decode(ids), text)
    if (sentences.includes(text)) tokens += 30 * ids.length
  }
  assert.equal(report.vocab_size, tokenizer.vocabSize)
  assert.deepEqual(report.round_trip, { texts: 180, equal: 180 })
  assert.equal(report.corpus.texts, 180)
  const text = sentences.join('').repeat(30)
  assert.equal(report.corpus.characters, [...text].length)
  assert.equal(report.tokens_per_character.before, Buffer.byteLength(text) / [...text].length)
  assert.equal(report.tokens_per_character.after, tokens / [...text].length)
  assert.deepEqual(read(out, 'report.json'), report)
  assert.deepEqual(readdirSync(out).sort(), [
    'provenance.json',
    'report.json',
    'resolved.yaml',
    'tokenizer.json',
    'tokenizer_config.json',
  ])
  assert.equal(read(out, 'provenance.json').inputs[0].role, 'data')
})

test('words: no token spans two, marks stay with their letters, digits go three at a time', async () => {
  const out = fresh()
  await trainVocabulary({ data: corpus, out, size: 5000, minCount: 1, threads: 1 })
  const tokenizer = await Tokenizer.load(out)
  const cut = async (text) => {
    const ids = await tokenizer.encode(text, { addSpecialTokens: false })
    return Promise.all([...ids].map((id) => tokenizer.decode([id])))
  }
  assert.deepEqual(await cut(' color of Anna is'), [' color', ' of', ' Anna', ' is'])
  assert.deepEqual(await cut(' ate 1234567 cakes'), [' ate', ' ', '123', '456', '7', ' cakes'])
  assert.deepEqual(await cut(' हिन्दी'), [' हिन्दी'])
})

test('learning ends at the size, at the coverage, or where all pairs are too rare', async () => {
  const ended = async (options) => {
    const { vocab_size, ended_by, coverage, merges } = await trainVocabulary({
      data: corpus,
      out: fresh(),
      dryRun: true,
      threads: 1,
      ...options,
    })
    assert.equal(vocab_size, 257 + merges)
    return { vocab_size, ended_by, coverage }
  }
  const bySize = await ended({ size: 300 })
  assert.deepEqual([bySize.vocab_size, bySize.ended_by], [300, 'size'])
  const byCoverage = await ended({ coverage: 0.5 })
  assert.equal(byCoverage.ended_by, 'coverage')
  assert.ok(byCoverage.coverage >= 0.5 && byCoverage.coverage < 0.6, `${byCoverage.coverage}`)
  assert.equal((await ended({})).ended_by, 'min_count')
  assert.equal((await ended({ minCount: 31, size: 900 })).ended_by, 'min_count')
  assert.equal((await ended({ coverage: 1 })).coverage, 1)
})

test('the same folder, byte for byte, whatever the number of threads', async () => {
  const files = []
  for (const threads of [1, 2]) {
    const out = fresh()
    await trainVocabulary({ data: corpus, out, size: 390, threads })
    files.push(readFileSync(join(out, 'tokenizer.json'), 'utf8'))
  }
  assert.equal(files[0], files[1])
  const { vocab } = JSON.parse(files[0]).model
  assert.equal(Object.keys(vocab).length, 390)
})

test('special tokens come first and no text that spells them out makes one of them', async () => {
  writeFileSync(join(home, 'tags.txt'), 'tag a<s> b<s> c<s> <pad><pad>\n\n'.repeat(50))
  const out = fresh()
  const report = await trainVocabulary({
    data: [join(home, 'tags.txt'), { path: corpus, split: 'line' }],
    out,
    size: 400,
    bosToken: '<s>',
    eosToken: '</s>',
    padToken: '<pad>',
    specialTokens: ['<|im_start|>', '<pad>', 'tag'],
    threads: 1,
  })
  assert.deepEqual(report.special_tokens, { '<s>': 0, '</s>': 1, '<pad>': 2, '<|im_start|>': 3, tag: 4 })
  const { added_tokens, model } = read(out)
  assert.deepEqual(
    added_tokens.map(({ id, content, special }) => [id, content, special]),
    Object.entries(report.special_tokens).map(([content, id]) => [id, content, true]),
  )
  for (const [left, right] of model.merges) assert.ok(!(left + right in report.special_tokens), left + right)
  const tokenizer = await Tokenizer.load(out)
  assert.deepEqual([...(await tokenizer.encode('<|im_start|>'))], [0, 3], 'bos before the text')
  const config = read(out, 'tokenizer_config.json')
  assert.equal(config.bos_token, '<s>')
  assert.equal(config.pad_token, '<pad>')
  assert.deepEqual(config.additional_special_tokens, ['<|im_start|>', 'tag'])
})

test('like another tokenizer: its words, framing, template and settings, with new tokens', async () => {
  const content = JSON.parse(byteLevelTokenizer())
  const end = content.added_tokens.find((token) => token.content === '<|im_end|>')
  content.normalizer = { type: 'NFC' }
  content.pre_tokenizer.use_regex = true
  content.post_processor = {
    type: 'TemplateProcessing',
    single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '<|im_end|>', type_id: 0 } }],
    pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { '<|im_end|>': { id: '<|im_end|>', ids: [end.id], tokens: ['<|im_end|>'] } },
  }
  const like = temporaryFolder({
    'tokenizer.json': JSON.stringify(content),
    'tokenizer_config.json': JSON.stringify({
      eos_token: '<|im_end|>',
      model_max_length: 77,
      added_tokens_decoder: { [end.id]: { content: '<|im_end|>' } },
    }),
    'chat_template.jinja': template,
  })
  const out = fresh()
  const report = await trainVocabulary({ data: corpus, out, size: 400, like, threads: 1 })
  assert.deepEqual(report.special_tokens, { '<|endoftext|>': 0, '<|im_start|>': 1, '<|im_end|>': 2 })
  const tokenizer = await Tokenizer.load(out)
  const ids = await tokenizer.encode('café')
  assert.equal(ids.at(-1), 2, 'the end of its framing, with the new id')
  assert.equal(await tokenizer.decode(await tokenizer.encode('cafe\u0301')), 'caf\u00e9', 'its normalizer')
  assert.equal(readFileSync(join(out, 'chat_template.jinja'), 'utf8'), template)
  const config = read(out, 'tokenizer_config.json')
  assert.equal(config.model_max_length, 77)
  assert.equal(config.added_tokens_decoder, undefined)
  assert.equal(config.eos_token, '<|im_end|>')
})

test('a model starts from random weights with the new tokenizer and its template', async () => {
  const tokenizer = fresh()
  const { vocab_size } = await trainVocabulary({
    data: corpus,
    out: tokenizer,
    size: 320,
    specialTokens: ['<|im_start|>'],
    eosToken: '<|im_end|>',
    chatTemplate: join(home, 'template.jinja'),
    threads: 1,
  })
  const out = fresh()
  const init = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: 16,
    intermediate_size: 32,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 2,
    vocab_size,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-5,
  }
  const { model: folder } = await train({
    init,
    tokenizer,
    out,
    data: [{ path: corpus }],
    data_cache: join(home, 'cache'),
    sequence_length: 32,
    steps: 2,
    threads: 1,
  }).result
  const model = await loadModel(folder, { threads: 1 })
  const text = await model.text()
  assert.equal(text.tokenizer.vocabSize, vocab_size)
  assert.ok(text.template, 'the chat template came along')
  await model.dispose()
})

test('stopped, refused or failed, it leaves what was there', async () => {
  const out = fresh()
  await trainVocabulary({ data: corpus, out, size: 300, threads: 1 })
  const before = readFileSync(join(out, 'tokenizer.json'))
  const stop = new AbortController()
  const reason = new Error('enough')
  const stopped = trainVocabulary(
    { data: corpus, out, size: 600, overwrite: true, threads: 1 },
    { signal: stop.signal, onProgress: ({ stage }) => stage === 'learn' && stop.abort(reason) },
  )
  await assert.rejects(stopped, (error) => error === reason)
  await assert.rejects(trainVocabulary({ data: corpus, out, size: 600 }), { code: 'ERR_EXISTS' })
  assert.deepEqual(readFileSync(join(out, 'tokenizer.json')), before)
  assert.ok(
    readdirSync(home).every((name) => !name.startsWith('.')),
    'nothing half made is left',
  )
  await trainVocabulary({ data: corpus, out, size: 310, overwrite: true, threads: 1 })
  assert.equal(Object.keys(read(out).model.vocab).length, 310)
  const dry = fresh()
  await trainVocabulary({ data: corpus, out: dry, size: 310, dryRun: true, threads: 1 })
  assert.ok(!existsSync(dry))
})

test('what cannot be done is refused with the reason and the next step', async () => {
  const like = temporaryFolder({ 'tokenizer.json': sentencePieceTokenizer() })
  const inside = temporaryFolder()
  cpSync(corpus, join(inside, 'corpus.txt'))
  cpSync(join(home, 'template.jinja'), join(inside, 'chat.jinja'))
  const cases = [
    [{ size: 257 }, 'ERR_CONFIG', /size: expected at least 258 \(256 bytes, 1 special tokens/, /32000/],
    [{ size: 10 }, 'ERR_CONFIG', /size: expected a whole number from 257, received 10/],
    [{ coverage: 1.5 }, 'ERR_CONFIG', /coverage: expected a number above 0, to 1, received 1.5/],
    [{ threads: 1025 }, 'ERR_CONFIG', /threads: expected a whole number from 0 to 1024, received 1025/],
    [{ data: [] }, 'ERR_CONFIG', /data: expected at least one source/],
    [{ data: { path: corpus, weigth: 1 } }, 'ERR_CONFIG', /weigth: unknown key/],
    [{ data: join(home, 'none.txt') }, 'ERR_NOT_FOUND', /none\.txt: no such file/, /corpus\.txt/],
    [
      { data: join(home, 'empty.txt') },
      'ERR_DATA',
      /expected text to learn tokens from, found none/,
      /empty/,
    ],
    [{ chatTemplate: join(home, 'broken.jinja') }, 'ERR_TEMPLATE', /broken\.jinja/],
    [{ like }, 'ERR_TOKENIZER', /expected a byte-pair tokenizer with a ByteLevel pre_tokenizer/, /Qwen/],
    [{ like: join(home, 'nowhere') }, 'ERR_NOT_FOUND', /nowhere/],
    [{ data: join(inside, 'corpus.txt'), out: inside, overwrite: true }, 'ERR_USAGE', /out/],
    [{ chatTemplate: join(inside, 'chat.jinja'), out: inside, overwrite: true }, 'ERR_USAGE', /out/],
    [
      { specialTokens: ['#'] },
      'ERR_CONFIG',
      /special tokens: expected other texts than the 256 bytes have, received "#"/,
      /<\|#\|>/,
    ],
  ]
  for (const [options, code, message, hint = /./] of cases) {
    const out = fresh()
    await assert.rejects(trainVocabulary({ data: corpus, out, threads: 1, ...options }), (error) => {
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      if (hint.source !== '.') assert.match(error.hint, hint)
      return true
    })
    assert.ok(!existsSync(out))
  }
  assert.ok(existsSync(join(inside, 'chat.jinja')))
})

test('the command prints its report, as text and as JSON, and says what is missing', async () => {
  const out = fresh()
  const run = ['vocab', 'train', '--data', corpus, '--size', '300', '--threads', '1', '--out', out]
  const json = await cli([...run, '--data', `{path: ${corpus}, split: line}`, '--json'])
  assert.equal(json.code, 0, json.err)
  assert.deepEqual(JSON.parse(json.out), read(out, 'report.json'))
  const text = await cli([...run, '--overwrite', '--special', '<a>', '--special', '<b>', '--eos', '<b>'])
  assert.equal(text.code, 0, text.err)
  assert.match(text.out, /special_tokens\n {2}<b> {2}0\n {2}<a> {2}1/)
  assert.match(text.out, /tokens_per_character/)
  const none = await cli(['vocab', 'train', '--out', fresh()])
  assert.equal(none.code, 2)
  assert.match(none.err, /expected --data, received none/)
  const unknown = await cli(['vocab', 'shrink', '--out', fresh()])
  assert.equal(unknown.code, 2)
  assert.match(unknown.err, /<action>: expected train/)
})
