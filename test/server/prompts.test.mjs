// What a request costs before it is answered: each prompt is encoded once, and none for whom there is no place.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { loadModel } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { asked, chatModel, left, sent, served } from '../helpers/served.mjs'
import { sleep, withDeadline } from '../helpers/stress.mjs'

const WORD = 'police'
const messages = [{ role: 'user', content: `the ${WORD} ?` }]

describe('the prompts of a request', () => {
  const root = temporaryFolder()
  const encoded = []
  let [model, server] = []
  let whileEncoding = async () => {}
  before(async () => {
    model = await loadModel(await chatModel(root), { threads: 1, serving: { sequences: 4, queue: 4 } })
    server = await served({ models: { tiny: model } })
    await watch(model)
  })
  const watch = async (loaded) => {
    const { tokenizer } = await loaded.text()
    for (const name of ['encode', 'encodeBatch']) {
      const encode = tokenizer[name].bind(tokenizer)
      tokenizer[name] = async (texts, options) => {
        for (const text of [texts].flat()) if (text.includes(WORD)) encoded.push(text)
        await whileEncoding()
        return encode(texts, options)
      }
    }
  }
  beforeEach(() => encoded.splice(0))
  after(async () => {
    await server.close()
    await model.dispose()
  })
  const ask = (path, body) => asked(server.url, path, { body: { max_tokens: 2, ...body } })

  test('are encoded once, however many answers there are to each', async () => {
    const prompt = [`the ${WORD}`, `a ${WORD}`]
    const { json } = await ask('/v1/completions', { prompt, n: 4 })
    assert.equal(json.choices.length, 8)
    assert.deepEqual(encoded.splice(0), prompt)
    const answer = await ask('/v1/chat/completions', { messages, n: 4 })
    assert.equal(answer.json.choices.length, 4)
    assert.equal(encoded.length, 1)
  })

  test('that are too long are refused after that, and name their field', async () => {
    const long = `${WORD} `.repeat(300)
    const refused = async (path, body) => {
      const { status, json } = await ask(path, { ...body, n: 4 })
      assert.match(json.error.message, /prompt of 1 to 255 tokens/)
      return [status, json.error.code, json.error.param, encoded.splice(0).length]
    }
    const expected = (field) => [400, 'context_length_exceeded', field, 1]
    assert.deepEqual(await refused('/v1/completions', { prompt: long }), expected('prompt'))
    const [message] = messages
    const chat = { messages: [{ ...message, content: long }] }
    assert.deepEqual(await refused('/v1/chat/completions', chat), expected('messages'))
  })

  test('are not encoded where their answers find no place, which the figures count', async () => {
    const folder = await chatModel(root, 'long', { positions: 2 ** 14 })
    const busy = await loadModel(folder, { threads: 1, serving: { sequences: 4, queue: 4 } })
    const own = await served({ models: { tiny: busy } })
    await watch(busy)
    const stop = new AbortController()
    const options = { maxNewTokens: 16_000, stopIds: [], signal: stop.signal }
    const running = busy.generateIds([[1]], options).catch((error) => error)
    while (busy.stats().running === 0) await sleep(1)
    for (const [path, body] of [
      ['/v1/completions', { prompt: [`the ${WORD}`, `a ${WORD}`], n: 4 }],
      ['/v1/chat/completions', { messages, n: 8, stream: true }],
    ]) {
      const { status, headers, json } = await asked(own.url, path, { body: { max_tokens: 2, ...body } })
      assert.deepEqual([status, headers.get('retry-after'), json.error.code], [503, '1', 'queue_full'])
      assert.equal(
        json.error.message,
        'Expected at most 8 requests at a time (4 that run, 4 that wait), received 8 more',
      )
    }
    assert.deepEqual([encoded, busy.stats().refused], [[], 16])
    stop.abort(new Error('enough'))
    assert.equal((await running).message, 'enough')
    await own.close()
    await busy.dispose()
  })

  test('are not encoded where their answers can never be at a time, which no later try would change', async () => {
    for (const [path, body, param] of [
      ['/v1/completions', { prompt: [`the ${WORD}`, `a ${WORD}`, WORD], n: 3 }, 'n'],
      ['/v1/completions', { prompt: Array(9).fill(WORD) }, 'prompt'],
      ['/v1/chat/completions', { messages, n: 9, stream: true }, 'n'],
    ]) {
      const { status, headers, json } = await ask(path, body)
      assert.deepEqual([status, headers.get('retry-after')], [400, null])
      assert.deepEqual(json.error, {
        message: `${param}: expected at most 8 answers to a request, as many as may run and wait, received 9`,
        type: 'invalid_request_error',
        param,
        code: 'invalid_value',
      })
    }
    assert.deepEqual([encoded, model.stats().running, model.stats().waiting], [[], 0, 0])
  })

  test('are no longer encoded, nor answered, when their client has left', async () => {
    const { ended, new_tokens } = model.stats()
    const path = '/v1/completions'
    const prompt = [`the ${WORD}`, `a ${WORD}`, WORD]
    const gone = new Promise((resolve) => {
      whileEncoding = async () => {
        socket.destroy()
        await left(server.url, path, 1)
        setImmediate(resolve)
      }
    })
    const socket = sent(server.url, path, { prompt, max_tokens: 200 })
    await withDeadline(gone, 'the server')
    whileEncoding = async () => {}
    await sleep(50) // in which the others would begin
    const after = model.stats()
    assert.deepEqual([encoded, after.ended, after.new_tokens], [prompt.slice(0, 1), ended, new_tokens])
  })
})
