// The end-of-turn tokens of inscp: learnt, put where a template has none, and written into the model that comes of it.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { train } from '#lib/verbs/train'
import { tokenId } from '#lib/world/tokenizer'
import { World } from '#lib/world/world'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const root = temporaryFolder()
const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))
const documents = new World(1).questions('fact').map(({ answer }) => answer)
const words = documents.flatMap((text) => text.split(' ')).length
const texts = join(root, 'texts.jsonl')
writeFileSync(texts, documents.map((text) => `${JSON.stringify({ text })}\n`).join(''))
let made = 0
const config = {
  objective: 'inscp',
  model: await writeTinyModel(join(root, 'start')),
  data: [{ path: texts }],
  data_cache: join(root, 'cache'),
  ...{ sequence_length: 24, batch_size: 4, steps: 1, schedule: { warmup: 1 }, threads: 1 },
}

describe('ends of turns of inscp', () => {
  const heardIn = async (changes) => {
    const heard = []
    const given = { ...config, out: join(root, `run-${made++}`), ...changes }
    const { report } = await train(given, { onWarning: (line) => heard.push(line) }).result
    return { report, out: given.out, heard: heard.join('\n') }
  }

  test('that are no targets are told of', async () => {
    assert.equal((await heardIn({})).heard, '')
    const { heard } = await heardIn({ inscp: { loss: 'body' } })
    assert.match(heard, /^no end-of-turn token is learnt in \d+ rows: .* \(inscp\.loss: body\)$/)
  })

  test('that a template lacks are told of by the token that is put there', async () => {
    const open = await writeTinyModel(join(root, 'open'))
    const template = readFileSync(join(open, 'chat_template.jinja'), 'utf8')
    writeFileSync(join(open, 'chat_template.jinja'), template.replace("'<eot>'", "''"))
    const files = json(open, 'tokenizer_config.json')
    writeFileSync(join(open, 'tokenizer_config.json'), JSON.stringify({ ...files, eos_token: '<eot>' }))
    const { heard, report } = await heardIn({ model: open })
    assert.match(heard, /closes the assistant's turn without an end-of-turn token: <eot> is put after every/)
    assert.doesNotMatch(heard, /is learnt in/)
    assert.equal(report.plan.data.tokens, words + 4 * documents.length)
    // Conversations are taken as the template writes them.
    const chats = join(root, 'chats.jsonl')
    writeFileSync(chats, `${JSON.stringify({ prompt: 'what is bad ?', response: 'the police is bad .' })}\n`)
    const sft = await heardIn({ objective: 'sft', model: open, data: [{ path: chats, format: 'pairs' }] })
    assert.match(
      sft.heard,
      /^no end-of-turn token is learnt in 1 rows: the model will not learn from them to stop$/,
    )
  })

  test('stand in generation_config.json beside those that were there', async () => {
    const eot = tokenId('<eot>')
    const { out } = await heardIn({})
    assert.equal(json(out, 'model', 'generation_config.json').eos_token_id, eot)
    const two = await writeTinyModel(join(root, 'two'))
    const own = { eos_token_id: 0, bos_token_id: 1, temperature: 0.6 }
    writeFileSync(join(two, 'generation_config.json'), JSON.stringify(own))
    const chat = await heardIn({ model: two })
    assert.deepEqual(json(chat.out, 'model', 'generation_config.json'), { ...own, eos_token_id: [0, eot] })
    const plain = await heardIn({ model: two, objective: 'cp' })
    assert.deepEqual(json(plain.out, 'model', 'generation_config.json'), own, 'cp teaches no end of turn')
    const both = '{ "eos_token_id": [0, 4] }'
    writeFileSync(join(two, 'generation_config.json'), both)
    const kept = await heardIn({ model: two })
    assert.equal(readFileSync(join(kept.out, 'model', 'generation_config.json'), 'utf8'), both)
  })
})
