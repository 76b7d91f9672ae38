import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadModelText } from '#lib/text/model_text'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { byteLevelTokenizer, CHATML } from '../helpers/tokenizers.mjs'

const folder = (files) =>
  temporaryFolder({ 'config.json': {}, 'tokenizer.json': byteLevelTokenizer(), ...files })
const id = (token) =>
  JSON.parse(byteLevelTokenizer()).added_tokens.find(({ content }) => content === token).id

test('generation stops at every eos id of the folder, the eos token, and the end of a turn', async () => {
  const text = await loadModelText(
    folder({
      'config.json': { eos_token_id: 7 },
      'generation_config.json': { eos_token_id: [5, 7] },
      'tokenizer_config.json': {
        eos_token: '<|endoftext|>',
        pad_token: '<|endoftext|>',
        chat_template: CHATML,
      },
    }),
  )
  assert.deepEqual(text.stopIds, [5, 7, id('<|endoftext|>'), id('<|im_end|>')])
  assert.equal(text.endOfTurnId, id('<|im_end|>'))
  assert.equal(text.eosTokenId, id('<|endoftext|>'))
  assert.equal(text.padTokenId, id('<|endoftext|>'))
  assert.equal(text.bosTokenId, undefined)
})

test('a model without a chat template has its eos ids only', async () => {
  const text = await loadModelText(folder({ 'generation_config.json': { eos_token_id: 9, bos_token_id: 4 } }))
  assert.equal(text.template, undefined)
  assert.deepEqual([text.stopIds, text.eosTokenId, text.bosTokenId, text.endOfTurnId], [[9], 9, 4, undefined])
})

test('a template that refuses the conversation used to look for the end of a turn ends none', async () => {
  const text = await loadModelText(folder({ 'chat_template.jinja': "{{ raise_exception('no') }}" }))
  assert.equal(text.endOfTurnId, undefined)
  assert.throws(() => text.template.render([]), {
    code: 'ERR_TEMPLATE',
    message: /^chat template of \/.*: refuses/,
  })
})

test('a chat template that cannot be parsed is an error at once', () =>
  assert.rejects(loadModelText(folder({ 'chat_template.jinja': '{% if %}' })), { code: 'ERR_TEMPLATE' }))

dataTest('the real small model begins with 1 and stops at 2', 'models/stories260K_hf', async (_, path) => {
  const text = await loadModelText(path)
  assert.deepEqual([text.bosTokenId, text.eosTokenId, text.stopIds], [1, 2, [2]])
  assert.deepEqual([...(await text.tokenizer.encodePrompt('Once upon a time'))], [1, 403, 407, 261, 378])
})
