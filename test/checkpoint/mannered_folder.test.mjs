// The small files of a chat vector's result, where the vocabularies differ.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeWithManners } from '#lib/checkpoint/mannered_folder'
import { openModelFolder } from '#lib/checkpoint/model_folder'
import { alignVocabularies } from '#lib/text/alignment/align'
import { mannersOf } from '#lib/text/alignment/manners'
import { loadModelText } from '#lib/text/model_text'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tokenizerWith } from '../helpers/vocabularies.mjs'

const WORDS = { the: 0, Ġcat: 1 }
const TEMPLATE = "{{ bos_token }}{% for m in messages %}{{ m.content + '<|im_end|>' }}{% endfor %}"

async function written(targetFiles, chatFiles) {
  const root = temporaryFolder({
    ...named('target', {
      'tokenizer.json': tokenizerWith('byte_level', WORDS, { '<s>': 2 }),
      ...targetFiles,
    }),
    ...named('chat', chatFiles),
  })
  const [target, chat] = await Promise.all(
    ['target', 'chat'].map((name) => openModelFolder(join(root, name))),
  )
  const rows = { folder: target, rows: 3 }
  const alignment = await alignVocabularies(rows, [{ base: rows, chat: { folder: chat, rows: 8 } }])
  const manners = await mannersOf(chat, alignment)
  const out = join(root, 'out')
  mkdirSync(out)
  const leftOut = await writeWithManners(out, { target, chat, alignment, manners })
  return {
    root,
    out,
    leftOut,
    lost: manners.lost,
    read: (name) => JSON.parse(readFileSync(join(out, name), 'utf8')),
  }
}

const named = (folder, files) =>
  Object.fromEntries(
    Object.entries({ 'config.json': { vocab_size: 3, model_type: 'llama' }, ...files }).map(
      ([name, content]) => [`${folder}/${name}`, content],
    ),
  )

const CHAT = {
  'tokenizer.json': tokenizerWith('byte_level', { Ġcat: 0, the: 1 }, { '<b>': 2, '<|im_end|>': 3, '<s>': 4 }),
  'tokenizer_config.json': { bos_token: '<b>', eos_token: '<|im_end|>', chat_template: TEMPLATE },
  'generation_config.json': { bos_token_id: 2, eos_token_id: [3, 1], pad_token_id: 4, top_p: 0.9 },
}

test('every file that names tokens gets them, with ids of the result', async () => {
  const { out, read, leftOut } = await written(
    {
      'tokenizer_config.json': {
        bos_token: '<s>',
        chat_template: 'old',
        added_tokens_decoder: { 2: { content: '<s>', special: true } },
        additional_special_tokens: [],
      },
      'special_tokens_map.json': { bos_token: '<s>', additional_special_tokens: ['<s>'] },
      'generation_config.json': { pad_token_id: 1, max_length: 9 },
      'tokenizer.model': 'of another form',
      'merges.txt': 'of another form',
      LICENSE: 'kept',
    },
    CHAT,
  )
  assert.equal(read('config.json').vocab_size, 5)
  assert.deepEqual(read('config.json').eos_token_id, [0, 4])
  assert.deepEqual(read('generation_config.json'), {
    pad_token_id: 2,
    max_length: 9,
    bos_token_id: 3,
    eos_token_id: [0, 4],
    top_p: 0.9,
  })
  const config = read('tokenizer_config.json')
  assert.deepEqual(
    [config.bos_token, config.eos_token, config.chat_template],
    ['<b>', '<|im_end|>', undefined],
  )
  assert.deepEqual(config.additional_special_tokens, ['<b>', '<|im_end|>'])
  assert.equal(config.added_tokens_decoder[4].content, '<|im_end|>')
  assert.deepEqual(read('special_tokens_map.json'), {
    bos_token: '<b>',
    eos_token: '<|im_end|>',
    additional_special_tokens: ['<s>', '<b>', '<|im_end|>'],
  })
  assert.equal(readFileSync(join(out, 'chat_template.jinja'), 'utf8'), TEMPLATE)
  assert.deepEqual(leftOut, ['merges.txt', 'tokenizer.model'])
  for (const name of leftOut) assert.ok(!existsSync(join(out, name)))
  assert.ok(existsSync(join(out, 'LICENSE')))
  const { template, tokenizer, stopIds } = await loadModelText(await openModelFolder(out))
  const prompt = template.render([{ role: 'user', content: 'the cat' }])
  const ids = await tokenizer.encode(prompt, { addSpecialTokens: false })
  assert.deepEqual([ids[0], ids.at(-1), stopIds], [3, 4, [0, 4]])
})

test('a chat model without new tokens leaves the tokenizer of the target as it was, byte for byte', async () => {
  const { root, out, leftOut, read } = await written(
    {
      'tokenizer.model': 'as it was',
      'tokenizer_config.json': { eos_token: { content: '<s>', lstrip: true } },
    },
    {
      'tokenizer.json': tokenizerWith('byte_level', { Ġcat: 0, the: 1 }, { '<s>': 2 }),
      'tokenizer_config.json': { eos_token: '<s>' },
      'generation_config.json': { eos_token_id: 2 },
    },
  )
  assert.deepEqual(leftOut, [])
  for (const name of ['tokenizer.json', 'tokenizer.model'])
    assert.deepEqual(readFileSync(join(out, name)), readFileSync(join(root, 'target', name)))
  assert.deepEqual(read('tokenizer_config.json').eos_token, { content: '<s>', lstrip: true })
  assert.deepEqual([read('config.json').vocab_size, read('config.json').eos_token_id], [3, 2])
})

test('where the template writes no beginning, the target keeps its own', async () => {
  const { read } = await written(
    { 'tokenizer_config.json': { bos_token: '<s>' } },
    { ...CHAT, 'tokenizer_config.json': { bos_token: '<b>', eos_token: '<|im_end|>', chat_template: 'x' } },
  )
  const { bos_token, eos_token } = read('tokenizer_config.json')
  assert.deepEqual([bos_token, eos_token], ['<s>', '<|im_end|>'])
})

test('settings whose tokens the result lacks are left to the target, and told', async () => {
  const files = { 'generation_config.json': { pad_token_id: 1 } }
  const { read, lost } = await written(files, {
    ...CHAT,
    'generation_config.json': {
      ...CHAT['generation_config.json'],
      pad_token_id: 7,
      sequence_bias: [[[3], 1]],
    },
  })
  assert.equal(read('generation_config.json').pad_token_id, 1)
  assert.equal(read('generation_config.json').sequence_bias, undefined)
  assert.deepEqual(lost, ['pad_token_id 7', 'sequence_bias [[[3],1]]'])
})
