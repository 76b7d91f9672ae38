// What stands around a document of InsCP: of real templates, of small ones made here, and what of it is learnt.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ChatTemplate } from '#lib/text/chat_template'
import { endOfTurnToken, IGNORE } from '#lib/text/conversation'
import { inscpFrame } from '#lib/text/inscp_frame'
import { objectives } from '#lib/text/objectives'
import { Tokenizer } from '#lib/text/tokenizer'
import { dataTest } from '../helpers/data.mjs'
import { byteLevelTokenizer } from '../helpers/tokenizers.mjs'

const ENDS = ['<|im_end|>', '<|end|>', '<|end_of_turn|>', '<|end_of_text|>', '<|eot_id|>', '<end_of_turn>']
const json = JSON.parse(byteLevelTokenizer())
for (const content of ['<s>', '</s>', '<|begin_of_text|>', ...ENDS.slice(1)]) {
  const id = Math.max(...json.added_tokens.map((token) => token.id)) + 1
  json.added_tokens.push({ ...json.added_tokens[0], id, content })
}
const tokenizer = Tokenizer.fromJson(JSON.stringify(json))

function textOf(source, { bos = '<s>', eos = '</s>' } = {}) {
  const template = new ChatTemplate(source, { tokens: { bos_token: bos, eos_token: eos } })
  return {
    template,
    tokenizer,
    bosTokenId: tokenizer.tokenToId(bos),
    eosTokenId: tokenizer.tokenToId(eos),
    endOfTurnId: endOfTurnToken(template, tokenizer)?.id,
  }
}

// Whatever a template trims, splits or looks for; its own syntax; and what stands for the words while it is rendered.
const BODIES = [
  'hello world',
  '  hello \n',
  '\n\n你好嗎？\r\n\r\nhello\n\n\n',
  '{{ bos_token }}{% for m in messages %}{# hello #}{{ raise_exception("no") }}{% endfor %}',
  'xTONGUEFORGExSENTINELx and xTONGUEFORGExTURNx',
  'USER: hello ASSISTANT: $& $1 \\n',
  '😀',
]

async function assertTeaches(source, options = {}) {
  const text = textOf(source)
  const { prefix, suffix } = inscpFrame(text, options)
  const end = text.endOfTurnId ?? text.eosTokenId
  assert.ok(suffix.endsWith(tokenizer.idToToken(end)), suffix)
  const documents = BODIES.map((body, line) => ({ text: body, file: 'a.txt', line }))
  for (const loss of ['all', 'assistant', 'body']) {
    const rows = await objectives.inscp.encode(documents, text, { loss, ...options })
    for (const [i, { ids, labels = ids }] of rows.entries()) {
      const decode = (some) => tokenizer.decode(some, { skipSpecialTokens: false })
      assert.equal(await decode(ids), prefix + BODIES[i] + suffix)
      const learnt = ids.filter((_, place) => labels[place] !== IGNORE)
      assert.ok((await decode(learnt)).includes(BODIES[i]), `${loss}: ${BODIES[i]}`)
      if (loss !== 'body') assert.equal(learnt.at(-1), end, 'the end of the turn is learnt last')
      else assert.ok(!learnt.includes(end))
    }
  }
}

describe('the frame of a document', () => {
  dataTest('real templates take any text verbatim and end the turn', 'chat_templates', async (_t, folder) => {
    const files = readdirSync(folder).filter((name) => name.endsWith('.jinja'))
    assert.ok(files.length >= 10)
    for (const file of files) {
      const source = readFileSync(join(folder, file), 'utf8')
      for (const system of [undefined, 'none', 'default']) await assertTeaches(source, { system })
      await assertTeaches(source, { template: 'paper' })
    }
  })

  dataTest(
    'of the real templates, those without an end of turn are told of',
    'chat_templates',
    (_t, folder) => {
      const appended = readdirSync(folder)
        .filter((name) => name.endsWith('.jinja'))
        .filter((name) => inscpFrame(textOf(readFileSync(join(folder, name), 'utf8')), {}).appended)
      assert.deepEqual(appended, [
        'amberchat.jinja',
        'chatqa.jinja',
        'falcon-instruct.jinja',
        'solar-instruct.jinja',
      ])
    },
  )

  dataTest(
    'of the real templates, only Qwen 2.5 has a system prompt to leave out',
    'chat_templates',
    (_t, folder) => {
      for (const name of readdirSync(folder).filter((file) => file.endsWith('.jinja'))) {
        const text = textOf(readFileSync(join(folder, name), 'utf8'))
        const [none, usual] = ['none', 'default'].map((system) => inscpFrame(text, { system }))
        if (name !== 'qwen2.5-instruct.jinja') assert.deepEqual(none, usual, name)
        else assert.equal(none.prefix, '<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n')
      }
    },
  )

  const turn = "'<|' + m.role + '|>\\n' + m.content | trim + '<|im_end|>\\n'"
  const chat = `{% for m in messages %}{{ ${turn} }}{% endfor %}`
  const always = `{{ bos_token }}{{ '<|system|>\\nToday is Monday\\n' }}{% if messages[0].role == 'system' %}{{ messages[0].content }}{% set messages = messages[1:] %}{% endif %}{{ '<|im_end|>\\n' }}${chat}`
  const whenAbsent = `{{ bos_token }}{% for m in messages %}{% if loop.first and m.role != 'system' %}{{ '<|system|>\\nYou are Q.<|im_end|>\\n' }}{% endif %}{{ ${turn} }}{% endfor %}`
  const inTheUsers =
    "{% if messages[0].role == 'system' %}{% set s = messages[0].content %}{% set messages = messages[1:] %}{% else %}{% set s = 'You are L.' %}{% endif %}" +
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' }}{% if loop.first %}{{ '<<SYS>>' + s + '<</SYS>> ' }}{% endif %}{{ m.content + ' [/INST]' }}" +
    "{% else %}{{ ' ' + m.content + ' ' + eos_token }}{% endif %}{% endfor %}"

  test('system: none leaves out what a template writes by itself, wherever, and keeps BOS', () => {
    const asked = '<|user|>\n<|im_end|>\n<|assistant|>\n'
    for (const source of [always, whenAbsent]) {
      assert.match(inscpFrame(textOf(source), {}).prefix, /Today is Monday|You are Q/)
      assert.equal(inscpFrame(textOf(source), { system: 'none' }).prefix, `<s>${asked}`)
    }
    assert.equal(
      inscpFrame(textOf(inTheUsers), { system: 'default' }).prefix,
      '<s>[INST] <<SYS>>You are L.<</SYS>>  [/INST] ',
    )
    assert.equal(inscpFrame(textOf(inTheUsers), { system: 'none' }).prefix, '<s>[INST]  [/INST] ')
    assert.deepEqual(inscpFrame(textOf(chat), { system: 'none' }), inscpFrame(textOf(chat), {}))
  })

  test('system: TEXT is a turn; a template that leaves it out or refuses it is an error', () => {
    for (const source of [always, whenAbsent, inTheUsers, chat])
      assert.match(inscpFrame(textOf(source), { system: 'Be kind.' }).prefix, /Be kind\.(<\|im_end\|>|<<)/)
    const deaf = `{% for m in messages %}{% if m.role != 'system' %}{{ ${turn} }}{% endif %}{% endfor %}`
    assert.throws(
      () => inscpFrame(textOf(deaf), { system: 'Be kind.' }),
      (error) => {
        assert.equal(error.code, 'ERR_TEMPLATE')
        assert.match(
          error.message,
          /inscp\.system: expected the system's words .* found them left out or changed/,
        )
        assert.match(error.hint, /system: none/)
        return true
      },
    )
    const strict = `{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}${chat}`
    assert.throws(() => inscpFrame(textOf(strict), { system: 'Be kind.' }), /no system/)
  })

  test('template: paper is the Llama 3 of the paper, letter for letter', () => {
    // As published: newlines after each header, words trimmed.
    const llama3 =
      "{% for m in messages %}{% set c = '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' %}" +
      '{% if loop.first %}{% set c = bos_token + c %}{% endif %}{{ c }}{% endfor %}'
    const text = textOf(llama3, { bos: '<|begin_of_text|>' })
    assert.deepEqual(inscpFrame(text, { template: 'paper' }), {
      prefix:
        '<|begin_of_text|><|start_header_id|>user<|end_header_id|><|eot_id|><|start_header_id|>assistant<|end_header_id|>',
      suffix: '<|eot_id|>',
    })
    const { prefix } = inscpFrame(text, { template: 'paper', system: 'Two\nlines.' })
    assert.match(prefix, /system<\|end_header_id\|>Two\nlines\.<\|eot_id\|>/)
    assert.match(inscpFrame(text, {}).prefix, /assistant<\|end_header_id\|>\n\n$/)
  })

  test('what a template writes after the end of the turn is no part of a document', async () => {
    const long = chat.replace('{% endfor %}', "{% endfor %}{{ '<|endoftext|> bye' }}")
    assert.equal(inscpFrame(textOf(long), {}).suffix, '<|im_end|>')
    await assertTeaches(long)
    const open = "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}"
    assert.deepEqual(inscpFrame(textOf(open), {}), {
      prefix: 'user: \nassistant: ',
      suffix: '</s>',
      appended: '</s>',
    })
    await assertTeaches(open)
  })

  test('without any token that ends a turn there is nothing to learn to stop by', () => {
    const text = { ...textOf(chat), endOfTurnId: undefined, eosTokenId: undefined }
    assert.throws(
      () => inscpFrame(text, {}),
      (error) => {
        assert.equal(error.code, 'ERR_TEMPLATE')
        assert.match(error.message, /Expected an end-of-turn or end-of-sequence token/)
        assert.match(error.hint, /eos_token in tokenizer_config\.json/)
        return true
      },
    )
  })
})
