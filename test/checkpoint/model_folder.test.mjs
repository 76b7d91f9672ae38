import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openModelFolder } from '#lib/checkpoint/model_folder'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'

const rejects = (path, code, message, hint) =>
  assert.rejects(openModelFolder(path), (error) => {
    assert.equal(error.code, code)
    assert.match(error.message, message)
    assert.match(error.hint, hint)
    return true
  })

test('a model folder is opened, and a run folder by the model inside it', async () => {
  const folder = temporaryFolder({ 'config.json': { model_type: 'llama' } })
  assert.equal((await openModelFolder(folder)).path, folder)
  const run = temporaryFolder({ 'model/config.json': { model_type: 'qwen3' }, 'report.json': {} })
  const opened = await openModelFolder(run)
  assert.equal(opened.path, join(run, 'model'))
  assert.equal(opened.configFile, join(run, 'model', 'config.json'))
  assert.equal(opened.config.model_type, 'qwen3')
})

test('a hub id instead of a folder gives the command that downloads it', () =>
  rejects(
    'nobody/no-model-7b',
    'ERR_NOT_FOUND',
    /^nobody\/no-model-7b: expected a model folder/,
    /hf download nobody\/no-model-7b --local-dir no-model-7b/,
  ))

test('a folder without config.json says what is there, an unfinished run how to go on, a file that it is one', async () => {
  const folder = temporaryFolder({ 'notes.txt': 'x', 'model.gguf': 'x' })
  await rejects(folder, 'ERR_NOT_FOUND', /found model\.gguf, notes\.txt/, /folder of the model/)
  const run = temporaryFolder({ 'checkpoints/step-1/state': 'x' })
  await rejects(run, 'ERR_NOT_FOUND', /found checkpoints/, /--resume/)
  await rejects(join(folder, 'model.gguf'), 'ERR_NOT_FOUND', /received a file/, /config\.json/)
  await rejects(join(folder, 'missing'), 'ERR_NOT_FOUND', /nothing of that name/, /Check the path/)
})

test('eos ids are those of generation_config.json and config.json together, one or several', async () => {
  const ids = async (generation, config) => {
    const files = { 'config.json': config, ...(generation && { 'generation_config.json': generation }) }
    return (await openModelFolder(temporaryFolder(files))).generation
  }
  assert.deepEqual((await ids({ eos_token_id: [9, 7] }, { eos_token_id: 2 })).eosTokenIds, [2, 7, 9])
  assert.deepEqual((await ids(undefined, { eos_token_id: [3, 1, 3] })).eosTokenIds, [1, 3])
  assert.deepEqual((await ids({ eos_token_id: null }, { eos_token_id: -1 })).eosTokenIds, [])
  const both = await ids({ bos_token_id: 5 }, { bos_token_id: 1, pad_token_id: 0 })
  assert.deepEqual([both.bosTokenId, both.padTokenId], [5, 0])
  await assert.rejects(ids({ eos_token_id: 'x' }, {}), {
    code: 'ERR_MODEL_CONFIG',
    message: /generation_config\.json: eos_token_id: expected a token id or a list of them, received "x"/,
  })
})

test('special tokens are read as text or table, from tokenizer_config.json before special_tokens_map.json', async () => {
  const folder = temporaryFolder({
    'config.json': {},
    'tokenizer_config.json': {
      bos_token: { content: '<s>', lstrip: false },
      eos_token: '</s>',
      add_bos_token: true,
    },
    'special_tokens_map.json': { eos_token: '<other>', unk_token: '<unk>', pad_token: null },
  })
  const { tokenizer } = await openModelFolder(folder)
  assert.deepEqual(tokenizer.specialTokens, { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' })
  assert.equal(tokenizer.addBosToken, true)
  assert.equal(tokenizer.chatTemplate, undefined)
  const broken = temporaryFolder({ 'config.json': {}, 'tokenizer_config.json': { bos_token: 3 } })
  await rejects(broken, 'ERR_TOKENIZER', /bos_token: expected a token as text/, /Compare/)
})

test('the chat template: one text, a list by name, and chat_template.jinja wins', async () => {
  const template = async (tokenizerConfig, files = {}) =>
    (
      await openModelFolder(
        temporaryFolder({ 'config.json': {}, 'tokenizer_config.json': tokenizerConfig, ...files }),
      )
    ).tokenizer
  assert.equal((await template({ chat_template: 'one' })).chatTemplate, 'one')
  const named = [
    { name: 'tool_use', template: 'tools' },
    { name: 'default', template: 'plain' },
  ]
  const list = await template({ chat_template: named })
  assert.equal(list.chatTemplate, 'plain')
  assert.equal(list.chatTemplates.get('tool_use'), 'tools')
  assert.equal((await template({ chat_template: [named[0]] })).chatTemplate, 'tools', 'the only one')
  const files = { 'chat_template.jinja': 'file', 'additional_chat_templates/rag.jinja': 'rag' }
  const won = await template({ chat_template: 'one' }, files)
  assert.equal(won.chatTemplate, 'file')
  assert.equal(won.chatTemplates.get('rag'), 'rag')
  assert.equal((await template({}, { 'chat_template.json': { chat_template: 'json' } })).chatTemplate, 'json')
  await assert.rejects(template({ chat_template: [null] }), {
    code: 'ERR_TOKENIZER',
    message: /chat_template/,
  })
})

test('files to take over: all but weights, indexes, our own reports and hidden files; links count as files', async () => {
  const folder = temporaryFolder({
    'config.json': {},
    'tokenizer.json': '{}',
    'tokenizer.model': 'x',
    'README.md': 'x',
    'model-00001-of-00002.safetensors': 'x',
    'model.safetensors.index.json': '{}',
    'pytorch_model.bin': 'x',
    'pytorch_model.bin.index.json': '{}',
    'report.json': '{}',
    'resolved.yaml': 'x',
    'provenance.json': '{}',
    'metrics.jsonl': '',
    '.gitattributes': 'x',
    'original/consolidated.00.pth': 'x',
    'additional_chat_templates/rag.jinja': 'x',
  })
  symlinkSync(join(folder, 'README.md'), join(folder, 'LICENSE'))
  mkdirSync(join(folder, 'LICENSES'))
  assert.deepEqual((await openModelFolder(folder)).auxiliaryFiles, [
    'LICENSE',
    'README.md',
    'additional_chat_templates/rag.jinja',
    'config.json',
    'tokenizer.json',
    'tokenizer.model',
  ])
})

test('a config.json that is too big, not UTF-8, not JSON or no object is refused with its name', async () => {
  const config = (content) => temporaryFolder({ 'config.json': content })
  await rejects(config('{"a": '), 'ERR_MODEL_CONFIG', /config\.json: expected JSON/, /Download/)
  await rejects(config('[1]'), 'ERR_MODEL_CONFIG', /expected a JSON object, received \[1\]/, /Compare/)
  await rejects(config('null'), 'ERR_MODEL_CONFIG', /received null/, /Compare/)
  await rejects(config(Buffer.from([0x7b, 0xff, 0x7d])), 'ERR_MODEL_CONFIG', /expected UTF-8/, /UTF-8/)
  const huge = config('{}')
  truncateSync(join(huge, 'config.json'), 2 ** 33)
  await rejects(huge, 'ERR_MODEL_CONFIG', /expected at most 4194304 bytes, received 8589934592/, /Download/)
})

test('a key __proto__ reaches nothing, wherever it stands', async () => {
  const folder = temporaryFolder({})
  writeFileSync(
    join(folder, 'config.json'),
    '\uFEFF{"__proto__": {"polluted": 1}, "inner": {"__proto__": {"polluted": 2}, "\\u005f_proto__": 3}}',
  )
  const { config } = await openModelFolder(folder)
  assert.deepEqual(Object.keys(config), ['inner'])
  assert.deepEqual(Object.keys(config.inner), [])
  assert.equal({}.polluted, undefined)
})

dataTest(
  'the real small model opens, with its stop id and beginning of sequence',
  'models/stories260K_hf',
  async (_, path) => {
    const folder = await openModelFolder(path)
    assert.deepEqual(folder.generation.eosTokenIds, [2])
    assert.equal(folder.tokenizer.specialTokens.bos_token, '<s>')
    assert.deepEqual(folder.auxiliaryFiles, [
      'config.json',
      'generation_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
  },
)
