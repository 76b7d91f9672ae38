import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Template } from '@huggingface/jinja'
import fc from 'fast-check'
import { Tokenizer } from 'tokenizers'
import { readGenerationFiles } from '#lib/checkpoint/generation_files'
import { readTokenizerFiles } from '#lib/checkpoint/tokenizer_files'
import { CHAT_TEMPLATE, chatPrompt, tokenId, VOCABULARY, writeTokenizer } from '#lib/world/tokenizer'
import { PUNCTUATION, WORDS_A, WORDS_B } from '#lib/world/words'

let folder
let tokenizer

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tongueforge-tokenizer-'))
  await writeTokenizer(join(folder, 'base'), { endOfTurn: false })
  await writeTokenizer(join(folder, 'chat'), { endOfTurn: true })
  tokenizer = Tokenizer.fromFile(join(folder, 'chat', 'tokenizer.json'))
})
after(() => rm(folder, { recursive: true }))

const encode = async (text, addSpecialTokens) =>
  (await tokenizer.encode(text, null, { addSpecialTokens })).getIds()
const render = (messages, options = {}) =>
  new Template(CHAT_TEMPLATE).render({ messages, bos_token: '<bos>', ...options })
const user = (content) => ({ role: 'user', content })
const assistant = (content) => ({ role: 'assistant', content })

test('ids are the places in the vocabulary, special tokens first', async () => {
  assert.deepEqual(
    ['<pad>', '<bos>', '<user>', '<assistant>', '<eot>', '<unk>', '.', '?'].map(tokenId),
    [0, 1, 2, 3, 4, 5, 6, 7],
  )
  assert.equal(tokenizer.getVocabSize(true), VOCABULARY.length)
  for (const [id, token] of VOCABULARY.entries()) assert.equal(tokenizer.tokenToId(token), id)
  assert.throws(() => tokenId('zebra'), /no token "zebra"/)
})

test('any text of known words survives encoding and decoding', async () => {
  const word = fc.constantFrom(...WORDS_A, ...WORDS_B, ...PUNCTUATION)
  await fc.assert(
    fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 30 }), async (words) => {
      const text = words.join(' ')
      const ids = await encode(text, true)
      assert.deepEqual(ids, [tokenId('<bos>'), ...words.map(tokenId)])
      assert.equal(await tokenizer.decode(ids, true), text)
    }),
  )
})

test('plain text gets <bos> and no end', async () => {
  const ids = await encode('mira likes bread .', true)
  assert.equal(ids[0], tokenId('<bos>'))
  assert.ok(!ids.includes(tokenId('<eot>')))
})

test('people may type capitals and leave out the space before a mark; unknown words become <unk>', async () => {
  const tidy = await encode('what is the colour of mira ?', true)
  assert.deepEqual(await encode('What is  the colour of Mira?\n', true), tidy)
  assert.deepEqual(await encode('mira likes zebras.', false), ['mira', 'likes', '<unk>', '.'].map(tokenId))
})

test('the chat template gives one tag a role and closes every turn', async () => {
  const text = render([user('list the food .'), assistant('bread rice soup fish .')])
  assert.equal(text, '<bos><user> list the food . <eot><assistant> bread rice soup fish . <eot>')
  const expected = '<bos> <user> list the food . <eot> <assistant> bread rice soup fish . <eot>'
  assert.deepEqual(await encode(text, false), expected.split(' ').map(tokenId))
})

test('a prompt is the conversation up to the answer; an empty turn is two tags', async () => {
  const asked = render([user('how to make the lamp ?')], { add_generation_prompt: true })
  assert.equal(asked, chatPrompt('how to make the lamp ?'))
  const empty = render([user('')], { add_generation_prompt: true })
  assert.equal(empty, chatPrompt(''))
  assert.deepEqual(await encode(empty, false), [1, 2, 4, 3])
  assert.throws(() => render([{ role: 'system', content: 'x' }]), /user and assistant only/)
})

test('only a chat folder ends a turn', async () => {
  for (const [name, ids, eos] of [
    ['base', [], undefined],
    ['chat', [4], '<eot>'],
  ]) {
    assert.deepEqual((await readGenerationFiles(join(folder, name), {})).eosTokenIds, ids)
    const files = await readTokenizerFiles(join(folder, name))
    assert.deepEqual([files.specialTokens.bos_token, files.specialTokens.eos_token], ['<bos>', eos])
    assert.equal(files.chatTemplate, CHAT_TEMPLATE)
  }
  const [base, chat] = await Promise.all(
    ['base', 'chat'].map((name) => readFile(join(folder, name, 'tokenizer.json'), 'utf8')),
  )
  assert.equal(base, chat, 'the vocabularies are one')
})
