// Requests that cannot be answered: each is told which field is wrong, and why.
import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import OpenAI from 'openai'
import { extractDelta } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { asked, chatModel, clientOf, served } from '../helpers/served.mjs'
import { writeTinyEncoder } from '../helpers/tiny_encoder.mjs'

const messages = [{ role: 'user', content: 'what ?' }]
const chat = (more) => ['/v1/chat/completions', { messages, model: 'tiny', ...more }]
const completions = (more) => ['/v1/completions', { prompt: 'the', model: 'tiny', ...more }]
const embeddings = (more) => ['/v1/embeddings', { input: 'a dog', model: 'encoder', ...more }]
const tool = { type: 'function', function: { name: 'weather', parameters: {} } }
const image = { type: 'image_url', image_url: { url: 'data:,' } }
const said = (content, more) => ({ messages: [{ role: 'user', content, ...more }] })

// request, field that is named, what the message says; 400 and invalid_value unless another status and code stand behind
const REFUSED = [
  [
    chat({ tools: [tool] }),
    'tools',
    /expected none: this server calls no tools, received \[\{"type":"function"/,
  ],
  [chat({ tool_choice: 'required' }), 'tool_choice', /calls no tools, received "required"/],
  [chat({ functions: [{ name: 'weather' }] }), 'functions', /calls no tools/],
  [chat({ response_format: { type: 'json_object' } }), 'response_format', /free text/],
  [chat({ logit_bias: { 5: 10 } }), 'logit_bias', /expected none/],
  [chat({ presence_penalty: 0.5 }), 'presence_penalty', /repetition_penalty/],
  [chat({ max_token: 5 }), 'max_token', /unknown key. Did you mean 'max_tokens'\?/],
  [chat({ temperature: 3 }), 'temperature', /a number from 0 to 2, received 3/],
  [chat({ temperature: 'hot' }), 'temperature', /a number from 0 to 2, received "hot"/],
  [chat({ top_p: -1 }), 'top_p', /0 to 1/],
  [chat({ n: 0 }), 'n', /whole number from 1 to 128/],
  [chat({ max_tokens: 0 }), 'max_tokens', /from 1/],
  [chat({ seed: 1.5 }), 'seed', /whole number/],
  [chat({ stop: [1] }), 'stop[0]', /expected text, received 1/],
  [chat({ top_logprobs: 3 }), 'top_logprobs', /logprobs: true beside it/],
  [chat({ logprobs: true, top_logprobs: 21 }), 'top_logprobs', /0 to 20/],
  [chat({ stream_options: { include: 1 } }), 'stream_options.include', /unknown key/],
  [chat({ messages: [] }), 'messages', /at least one message/],
  [chat({ messages: 'hello' }), 'messages', /expected a list of messages, received "hello"/],
  [chat({ messages: undefined }), 'messages', /expected a list of messages, received nothing/],
  [chat(said([image])), 'messages[0].content[0].type', /expected text/],
  [chat(said('x', { role: 'tool' })), 'messages[0].role', /system, developer, user or assistant/],
  [chat(said('x', { role: 'assistant', tool_calls: [tool] })), 'messages[0].tool_calls', /no tools/],
  [chat(said('x', { weight: 1 })), 'messages[0].weight', /unknown key/],
  [
    chat({ messages: [{ role: 'system', content: 'x' }] }),
    'messages',
    /refuses the conversation/,
    400,
    'invalid_messages',
  ],
  [chat(said('the '.repeat(300))), 'messages', /prompt of 1 to 255 tokens/, 400, 'context_length_exceeded'],
  [chat({ model: 'none' }), 'model', /one of 'tiny', received 'none'/, 404, 'model_not_found'],
  [chat({ model: 'encoder' }), 'model', /for \/v1\/embeddings/, 400, 'unsupported_model'],
  [completions({ prompt: undefined }), 'prompt', /expected a text, a list/],
  [completions({ prompt: [] }), 'prompt', /expected a text, a list/],
  [completions({ prompt: [1, 10 ** 6] }), 'prompt', /./],
  [completions({ echo: true }), 'echo', /the new text alone/],
  [completions({ suffix: 'x' }), 'suffix', /do not fill in/],
  [completions({ best_of: 2 }), 'best_of', /expected none/],
  [completions({ seed: 2 ** 53 - 128 ** 2 }), 'seed', /whole number from 0 to 9007199254724607/], // seed + i is one too
  [completions({ model: undefined, stop: 5 }), 'stop', /expected text/],
  [embeddings({ input: [] }), 'input', /expected a text/],
  [embeddings({ input: 'a '.repeat(200) }), 'input', /./],
  [embeddings({ input: [[1, 999]] }), 'input', /./],
  [embeddings({ dimensions: 7 }), 'dimensions', /expected 16/],
  [embeddings({ encoding_format: 'hex' }), 'encoding_format', /float \| base64/],
  [embeddings({ model: 'tiny' }), 'model', /chat\/completions/, 400, 'unsupported_model'],
]

describe('a request that cannot be answered', () => {
  const root = temporaryFolder()
  let server
  before(async () => {
    const encoder = join(root, 'encoder')
    await writeTinyEncoder(encoder)
    const models = { tiny: await chatModel(root), encoder }
    server = await served({ models, load: { threads: 1 }, bodyLimit: 5000 })
  })
  after(() => server.close())

  for (const [[path, body], param, message, status = 400, code = 'invalid_value'] of REFUSED)
    test(`${path} ${JSON.stringify(body).slice(0, 80)}`, async () => {
      const { json, ...answer } = await asked(server.url, path, { body })
      assert.equal(answer.status, status, answer.text)
      assert.deepEqual(Object.keys(json), ['error'])
      assert.deepEqual(
        { ...json.error, message: '' },
        { message: '', type: 'invalid_request_error', param, code },
      )
      assert.match(json.error.message, message)
      assert.doesNotMatch(json.error.message, new RegExp(root), 'tells of the disk')
      assert.ok(json.error.message.length < 700)
    })

  test('as its model has no chat template, names the model and another route, and nothing of the disk', async () => {
    const plain = await chatModel(root, 'plain')
    await rm(join(plain, 'chat_template.jinja'))
    const own = await served({ models: { mine: plain }, load: { threads: 1 } })
    const [path, body] = chat({ model: 'mine' })
    const { status, json } = await asked(own.url, path, { body })
    const { json: text } = await asked(own.url, '/v1/completions', { body: { prompt: 'the', max_tokens: 2 } })
    await own.close()
    assert.equal(status, 400)
    assert.deepEqual(json.error, {
      message: "model: 'mine' has no chat template: ask /v1/completions",
      type: 'invalid_request_error',
      param: 'model',
      code: 'unsupported_model',
    })
    assert.equal(text.choices.length, 1)
  })

  test('as its model has no tokenizer, is told so; an encoder takes ids', async () => {
    const [bare, encoder] = [await chatModel(root, 'bare'), join(root, 'bare-encoder')]
    await writeTinyEncoder(encoder)
    for (const folder of [bare, encoder]) await rm(join(folder, 'tokenizer.json'))
    const own = await served({ models: { bare, encoder }, load: { threads: 1 } })
    const answers = []
    for (const [path, body] of [
      completions({ model: 'bare', prompt: [1, 2] }),
      completions({ model: 'bare' }),
      chat({ model: 'bare' }),
      embeddings(),
      embeddings({ input: [2, 5, 3] }),
    ])
      answers.push(await asked(own.url, path, { body }))
    await own.close()
    const ofIds = answers.pop()
    assert.deepEqual([ofIds.status, ofIds.json.data?.length], [200, 1])
    for (const [i, message] of [
      "model: 'bare' has no tokenizer: answers are text, also those to token ids",
      "model: 'bare' has no tokenizer: answers are text, also those to token ids",
      "model: 'bare' has no tokenizer: it reads and writes no text",
      "model: 'encoder' has no tokenizer: give token ids as input",
    ].entries()) {
      const { status, json } = answers[i]
      assert.equal(status, 400)
      assert.deepEqual(json.error, {
        message,
        type: 'invalid_request_error',
        param: 'model',
        code: 'unsupported_model',
      })
    }
  })

  test('as a file of the server is broken, is told that the server failed, and nothing of the disk', async () => {
    const [base, talker, target] = await Promise.all(
      ['base', 'talker', 'target'].map((name, i) => chatModel(root, name, { seed: i + 1 })),
    )
    const delta = join(root, 'manners')
    await extractDelta({ base, chat: talker, out: delta })
    await writeFile(join(target, 'provenance.json'), '[]')
    const own = await served({ models: { target }, deltas: { manners: delta }, load: { threads: 1 } })
    const { status, json } = await asked(own.url, '/v1/models/target/graft', {
      body: { delta: 'manners' },
      method: 'PUT',
    })
    await own.close()
    assert.equal(status, 500)
    assert.deepEqual(json.error, {
      message: 'The server failed',
      type: 'server_error',
      param: null,
      code: 'ERR_DATA',
    })
  })

  test('is an error of its kind in the client', async () => {
    const { chat } = clientOf(server.url)
    await assert.rejects(chat.completions.create({ model: 'tiny', messages, tools: [tool] }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError)
      assert.deepEqual([error.status, error.param, error.code], [400, 'tools', 'invalid_value'])
      return true
    })
  })

  test('as its body, route or method is wrong, has the same shape', async () => {
    const post = (body, headers = { 'content-type': 'application/json' }) =>
      asked(server.url, '/v1/chat/completions', { body, headers })
    const told = async (answer) => {
      const { status, json } = await answer
      return [status, json.error.code, json.error.type, json.error.param]
    }
    const kind = 'invalid_request_error'
    assert.deepEqual(await told(post('{"messages":')), [400, 'invalid_request', kind, null])
    assert.deepEqual(await told(post('{"__proto__":{}}')), [400, 'invalid_request', kind, null])
    assert.deepEqual(await told(post('[]')), [400, 'invalid_value', kind, null])
    assert.deepEqual(await told(post('null')), [400, 'invalid_value', kind, null])
    assert.deepEqual(await told(post('{}', { 'content-type': 'text/plain' })), [
      415,
      'invalid_request',
      kind,
      null,
    ])
    assert.deepEqual(await told(post(JSON.stringify(chat(said('x'.repeat(5000)))[1]))), [
      ...[413, 'body_too_large', kind, null],
    ])
    assert.deepEqual(await told(asked(server.url, '/v1/nothing?key=1')), [404, 'not_found', kind, null])
    assert.deepEqual(await told(asked(server.url, '/v1/models', { body: {} })), [
      404,
      'not_found',
      kind,
      null,
    ])
    assert.deepEqual(await told(asked(server.url, '/v1/models/none')), [
      404,
      'model_not_found',
      kind,
      'model',
    ])
  })
})
