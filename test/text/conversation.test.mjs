import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { ChatTemplate } from '#lib/text/chat_template'
import { encodeConversation, endOfTurnToken, IGNORE, splitAssistant } from '#lib/text/conversation'
import { Tokenizer } from '#lib/text/tokenizer'
import { dataPath, dataTest } from '../helpers/data.mjs'
import { byteLevelTokenizer, CHATML, sentencePieceTokenizer } from '../helpers/tokenizers.mjs'

const bytes = Tokenizer.fromJson(byteLevelTokenizer())
const pieces = Tokenizer.fromJson(sentencePieceTokenizer())
const tokens = { bos_token: '<s>', eos_token: '</s>' }
const chatml = new ChatTemplate(CHATML)
const user = (content) => ({ role: 'user', content })
const assistant = (content) => ({ role: 'assistant', content })

/** The parts of a conversation that are to be learnt, as text; "|" where a part ends. */
async function learnt(tokenizer, { ids, labels }) {
  const parts = []
  for (let i = 0; i < ids.length; i++) {
    if (labels[i] === IGNORE) continue
    assert.equal(labels[i], ids[i])
    if (labels[i - 1] === undefined || labels[i - 1] === IGNORE) parts.push([])
    parts.at(-1).push(ids[i])
  }
  const texts = await Promise.all(parts.map((part) => tokenizer.decode(part, { skipSpecialTokens: false })))
  return texts.join('|')
}

test('a template is split around the words of the assistant, whatever it trims', () => {
  assert.deepEqual(splitAssistant(chatml), {
    prefix: '<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n',
    suffix: '<|im_end|>\n',
  })
  const trims = new ChatTemplate(
    '{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}{{ eos_token }}{% endfor %}',
    { tokens },
  )
  const before = [{ role: 'system', content: 'Be brief.' }, user('')]
  assert.deepEqual(splitAssistant(trims, before), {
    prefix: '[system]Be brief.</s>[user]</s>[assistant]',
    suffix: '</s>',
  })
})

test('a template that drops, changes or repeats the words is refused', () => {
  const loop = (body) => new ChatTemplate(`{% for m in messages %}${body}{% endfor %}`)
  const count = (times) => ({ code: 'ERR_TEMPLATE', message: new RegExp(`found them ${times} times`) })
  assert.throws(() => splitAssistant(loop('{{ m.role }}')), count(0))
  assert.throws(() => splitAssistant(loop('{{ m.content | lower }}')), count(0))
  assert.throws(() => splitAssistant(loop('{{ m.content }}{{ m.content }}')), count(2))
})

test('the end of a turn is the added token after the words, blanks aside', () => {
  assert.equal(endOfTurnToken(chatml, bytes).content, '<|im_end|>')
  const closing = (text) =>
    new ChatTemplate(`{% for m in messages %}{{ m.content }}${text}{% endfor %}`, { tokens })
  assert.equal(endOfTurnToken(closing(' \n{{ eos_token }}\n'), pieces).id, 2)
  assert.equal(endOfTurnToken(closing('\n'), pieces), undefined)
  assert.equal(endOfTurnToken(closing('END</s>'), pieces), undefined)
  assert.equal(endOfTurnToken(chatml, pieces), undefined, 'this tokenizer lacks the token')
})

test('of added tokens that begin alike, the longest is meant', () => {
  const file = JSON.parse(byteLevelTokenizer())
  file.added_tokens.unshift({ ...file.added_tokens[0], content: '<|im', id: 0 })
  assert.equal(endOfTurnToken(chatml, Tokenizer.fromJson(JSON.stringify(file))).content, '<|im_end|>')
})

test('only the words of the assistant are learnt, each with its end-of-turn token', async () => {
  const conversation = [user('hello'), assistant('你好😀'), user('the'), assistant(' world \n')]
  const encoded = await encodeConversation(bytes, chatml, conversation)
  assert.equal(await learnt(bytes, encoded), '你好😀<|im_end|>| world \n<|im_end|>')
  assert.equal(encoded.endsTurns, true)
  assert.deepEqual(encoded.ids, await bytes.encode(chatml.render(conversation)), 'encoded once, as a whole')
})

test('a turn that ends in plain text is learnt to its end, and that is told', async () => {
  const plain = new ChatTemplate(
    '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}',
  )
  const encoded = await encodeConversation(bytes, plain, [
    user('q'),
    assistant('a'),
    user('r'),
    assistant('b'),
  ])
  assert.equal(await learnt(bytes, encoded), ' a\n| b\n')
  assert.equal(encoded.endsTurns, false)
})

test('a template without a generation prompt marks the same words', async () => {
  const llama = new ChatTemplate(
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + m.content + ' [/INST]' }}{% else %}{{ ' ' + m.content + ' ' + eos_token }}{% endif %}{% endfor %}",
    { tokens },
  )
  const encoded = await encodeConversation(pieces, llama, [
    user('hello'),
    assistant('the'),
    user('lo'),
    assistant('a'),
  ])
  assert.equal(await learnt(pieces, encoded), 'the </s>|a </s>')
  assert.equal(encoded.ids.filter((id) => id === 1).length, 2, 'the tokenizer adds no third beginning')
})

test('newlines around the generation prompt, which are not there between turns, do no harm', async () => {
  const pretty = new ChatTemplate(
    '{% for m in messages %}\n<|im_start|>{{ m.role }}={{ m.content | trim }}<|im_end|>\n{% endfor %}\n\n{% if add_generation_prompt %}\n<|im_start|>assistant=\n{% endif %}',
  )
  const encoded = await encodeConversation(bytes, pretty, [
    user('q'),
    assistant('a'),
    user('r'),
    assistant('b'),
  ])
  assert.equal(await learnt(bytes, encoded), 'a<|im_end|>|b<|im_end|>')
})

test('whatever is said, labels are the ids of the answers and nothing else', async () => {
  const words = fc.string({ unit: fc.constantFrom(...'ab 你好😀\n') })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(words, words), { minLength: 1, maxLength: 4 }), async (rounds) => {
      const conversation = rounds.flatMap(([question, answer]) => [user(question), assistant(answer)])
      const encoded = await encodeConversation(bytes, chatml, conversation)
      assert.equal(encoded.ids.length, encoded.labels.length)
      assert.equal(await learnt(bytes, encoded), rounds.map(([, answer]) => `${answer}<|im_end|>`).join('|'))
    }),
  )
})

test('a template that rewrites earlier turns is refused, with the way out', async () => {
  const forgets = new ChatTemplate(
    "{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content if loop.last else '...' }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant {% endif %}",
  )
  await assert.rejects(
    encodeConversation(bytes, forgets, [user('q'), assistant('a'), user('r'), assistant('b')]),
    (error) => {
      assert.equal(error.code, 'ERR_TEMPLATE')
      assert.match(error.message, /turn 2 cannot be marked/)
      assert.match(error.hint, /Split the conversation/)
      return true
    },
  )
})

test('a conversation without an answer is refused', () =>
  assert.rejects(encodeConversation(bytes, chatml, [user('q')]), {
    code: 'ERR_DATA',
    message: /at least one turn/,
  }))

const templates = [
  'alpaca',
  'amberchat',
  'chatqa',
  'granite-3.0-instruct',
  'llama-2-chat',
  'mistral-instruct',
  'mistral_v1',
  'mistral_v3',
  'openchat-3.5',
  'phi-3',
  'qwen2.5-instruct',
  'solar-instruct',
  'vicuna',
]
for (const name of templates) {
  dataTest(
    `the answers in ${name} are marked whole and alone`,
    `chat_templates/${name}.jinja`,
    async (_, file) => {
      const template = new ChatTemplate(readFileSync(file, 'utf8'), { tokens })
      const conversation = [user('one'), assistant('SEHR'), user('three'), assistant('WOHL')]
      const encoded = await encodeConversation(bytes, template, conversation)
      const answers = (await learnt(bytes, encoded)).split('|').join(' ')
      assert.match(answers, /SEHR.*WOHL/s)
      assert.doesNotMatch(answers, /one|three|user|User|INST|Human/)
      const { prefix, suffix } = splitAssistant(template, [user('one')])
      assert.equal(`${prefix}SEHR${suffix}`, template.render(conversation.slice(0, 2)))
    },
  )
}

dataTest(
  'a real conversation, in the real vocabulary of bytes',
  ['tokenizers/torchtune_tiny_bpe_tokenizer.json', 'chat_templates/qwen2.5-instruct.jinja'],
  async (_, [file, source]) => {
    const tokenizer = Tokenizer.fromJson(readFileSync(file, 'utf8'), dataPath('tokenizer'))
    const template = new ChatTemplate(readFileSync(source, 'utf8'))
    assert.equal(endOfTurnToken(template, tokenizer).content, '<|im_end|>')
    const encoded = await encodeConversation(tokenizer, template, [
      user('Who are you?'),
      assistant('A small model.'),
    ])
    assert.equal(await learnt(tokenizer, encoded), 'A small model.<|im_end|>')
  },
)
