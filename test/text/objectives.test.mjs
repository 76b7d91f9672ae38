import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { openTokenizerFolder } from '#lib/checkpoint/model_folder'
import { IGNORE } from '#lib/text/conversation'
import { loadModelText } from '#lib/text/model_text'
import { objectives } from '#lib/text/objectives'
import { Tokenizer } from '#lib/text/tokenizer'
import { writeTokenizer } from '#lib/world/tokenizer'
import { temporaryFolder } from '../helpers/folders.mjs'
import { sentencePieceTokenizer } from '../helpers/tokenizers.mjs'

describe('objectives', () => {
  const folder = join(temporaryFolder(), 'tokenizer')
  let text
  const at = { file: 'data.jsonl', line: 3 }
  const document = { text: 'the police is bad .', ...at }
  const conversation = {
    messages: [
      { role: 'user', content: 'what is bad ?' },
      { role: 'assistant', content: 'the police is bad .' },
    ],
    ...at,
  }
  const tokens = (ids) => [...ids].map((id) => text.tokenizer.idToToken(id)).join(' ')
  const learnt = ({ ids, labels = ids }) => tokens(ids.filter((_, i) => labels[i] !== IGNORE))

  before(async () => {
    await writeTokenizer(folder, { endOfTurn: true })
    text = await loadModelText(await openTokenizerFolder(folder))
  })

  test('cp reads the text with what the tokenizer puts around it, and learns all of it', async () => {
    const [row] = await objectives.cp.encode([document], text, { loss: 'all' })
    assert.equal(tokens(row.ids), '<bos> the police is bad .')
    assert.equal(row.labels, undefined)
  })

  test('inscp puts the text into the assistant’s slot after an empty user turn and closes it', async () => {
    const wrapped = '<bos> <user> <eot> <assistant> the police is bad . <eot>'
    const expected = { all: wrapped, assistant: 'the police is bad . <eot>', body: 'the police is bad .' }
    for (const [loss, learns] of Object.entries(expected)) {
      const [row] = await objectives.inscp.encode([document], text, { loss })
      assert.equal(tokens(row.ids), wrapped)
      assert.equal(learnt(row), learns, loss)
    }
  })

  test('inscp learns the text whole where its tokens reach into the template', async () => {
    const { ChatTemplate } = await import('#lib/text/chat_template')
    const tokenizer = Tokenizer.fromJson(sentencePieceTokenizer())
    const template = new ChatTemplate(
      "{% for m in messages %}{{ m.role + ' ' + m.content + ' x</s>' }}{% endfor %}",
    )
    const pieces = { ...text, template, tokenizer, endOfTurnId: 2 }
    for (const body of ['the', 'the lot', 'a']) {
      const [row] = await objectives.inscp.encode([{ ...document, text: body }], pieces, { loss: 'body' })
      const learns = await tokenizer.decode(row.ids.filter((_, i) => row.labels[i] !== IGNORE))
      assert.equal(learns.trim(), body)
    }
  })

  test('inscp makes two documents of a question and its answer', async () => {
    const rows = await objectives.inscp.encode([conversation], text, { loss: 'body' })
    assert.deepEqual(rows.map(learnt), ['what is bad ?', 'the police is bad .'])
  })

  test('sft learns the answer and the end of the turn, and nothing of the question', async () => {
    const [row] = await objectives.sft.encode([conversation], text, { loss: 'all' })
    assert.equal(tokens(row.ids), '<bos> <user> what is bad ? <eot> <assistant> the police is bad . <eot>')
    assert.equal(learnt(row), 'the police is bad . <eot>')
  })

  const preference = {
    prompt: [
      { role: 'user', content: 'what is bad ?' },
      { role: 'assistant', content: 'mira .' },
      { role: 'user', content: 'what is the police ?' },
    ],
    chosen: [{ role: 'assistant', content: 'the police is bad .' }],
    rejected: [{ role: 'assistant', content: 'mira .' }],
    ...at,
  }

  test('dpo makes two documents of a preference and learns the answers alone, their ends included', async () => {
    const rows = await objectives.dpo.encode([preference], text, {})
    assert.deepEqual(rows.map(learnt), ['the police is bad . <eot>', 'mira . <eot>'])
    const prompt =
      '<bos> <user> what is bad ? <eot> <assistant> mira . <eot> <user> what is the police ? <eot> <assistant>'
    assert.deepEqual(
      rows.map(({ ids }) => tokens(ids)),
      [`${prompt} the police is bad . <eot>`, `${prompt} mira . <eot>`],
    )
  })

  test('dpo keeps the last tokens of a prompt that is longer than wished', async () => {
    const rows = await objectives.dpo.encode([preference], text, { maxPrompt: 4 })
    assert.deepEqual(
      rows.map(({ ids }) => tokens(ids)),
      ['police ? <eot> <assistant> the police is bad . <eot>', 'police ? <eot> <assistant> mira . <eot>'],
    )
    assert.deepEqual(rows.map(learnt), ['the police is bad . <eot>', 'mira . <eot>'])
  })

  test('a template that closes without an end-of-turn token gets the configured one', async () => {
    const { ChatTemplate } = await import('#lib/text/chat_template')
    const template = new ChatTemplate('{% for m in messages %}<{{ m.role }}>{{ m.content }} {% endfor %}')
    const [row] = await objectives.inscp.encode(
      [document],
      { ...text, template, endOfTurnId: undefined },
      { loss: 'all' },
    )
    assert.equal(tokens(row.ids), '<user> <assistant> the police is bad . <eot>')
  })

  test('the wrong kind of document, or no template, is refused with the place and what to do', async () => {
    await assert.rejects(objectives.sft.encode([document], text, {}), (error) => {
      assert.deepEqual(error.details, at)
      assert.match(error.message, /data\.jsonl:3: expected a conversation, received a text/)
      return true
    })
    await assert.rejects(objectives.cp.encode([conversation], text, {}), { code: 'ERR_DATA' })
    await assert.rejects(objectives.inscp.encode([document], { ...text, template: undefined }, {}), {
      code: 'ERR_TEMPLATE',
    })
  })
})
