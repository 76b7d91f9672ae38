// Chat over HTTP: the real client of OpenAI's API talks to a server of ours.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { loadModel } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { chatModel, clientOf, served } from '../helpers/served.mjs'
import { sleep, withDeadline } from '../helpers/stress.mjs'

const messages = [{ role: 'user', content: 'what is the color of anna ?' }]

describe('/v1/chat/completions', () => {
  const root = temporaryFolder()
  let folder
  let server
  let client
  let model
  before(async () => {
    folder = await chatModel(root)
    model = await loadModel(folder, { threads: 1, serving: true })
    server = await served({ models: { tiny: folder }, load: { threads: 1 } })
    client = clientOf(server.url)
  })
  after(async () => {
    await server.close()
    await model.dispose()
  })

  test('an answer is the one that the model gives', async () => {
    const alone = await model.chat(messages, { maxNewTokens: 12 }).result
    const answer = await client.chat.completions.create({
      model: 'tiny',
      messages,
      temperature: 0,
      max_completion_tokens: 12,
    })
    assert.match(answer.id, /^chatcmpl-/)
    assert.equal(answer.object, 'chat.completion')
    assert.equal(answer.model, 'tiny')
    assert.deepEqual(answer.choices, [
      {
        index: 0,
        message: { role: 'assistant', content: alone.text, refusal: null },
        logprobs: null,
        finish_reason: alone.finish_reason,
      },
    ])
    assert.equal(answer.usage.completion_tokens, alone.usage.new_tokens)
    assert.equal(answer.usage.prompt_tokens, alone.usage.prompt_tokens)
    assert.equal(answer.usage.total_tokens, alone.usage.new_tokens + alone.usage.prompt_tokens)
  })

  test('a stream is the same in pieces, and tells the usage where that is asked for', async () => {
    const alone = await model.chat(messages, { maxNewTokens: 12, temperature: 1, seed: 7 }).result
    const chunks = []
    for await (const chunk of await client.chat.completions.create({
      ...{ model: 'tiny', messages, seed: 7, max_tokens: 12 },
      ...{ stream: true, stream_options: { include_usage: true } },
    }))
      chunks.push(chunk)
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta))
    assert.equal(deltas[0].role, 'assistant')
    assert.equal(deltas.map(({ content = '' }) => content).join(''), alone.text)
    assert.equal(chunks.at(-2).choices[0].finish_reason, alone.finish_reason)
    assert.deepEqual(chunks.at(-1).choices, [])
    assert.equal(chunks.at(-1).usage.completion_tokens, alone.usage.new_tokens)
    assert.ok(chunks.slice(0, -1).every(({ usage }) => usage === null))
  })

  test('a client that leaves in the middle of a stream, or of an answer, ends its request', async () => {
    const wide = await chatModel(root, 'wide', { width: 256, layers: 4 })
    const held = await loadModel(wide, { threads: 1, serving: true })
    const own = await served({ models: { held } })
    const { chat } = clientOf(own.url)
    const endless = { model: 'held', messages, max_tokens: 200, n: 8 }
    const stream = await chat.completions.create({ ...endless, stream: true })
    for await (const { choices } of stream) if (choices[0].delta.content) break
    await withDeadline(ended(held), 'a stream whose reader has left')
    const stop = new AbortController()
    const answer = chat.completions.create(endless, { signal: stop.signal })
    while (held.stats().running === 0) await sleep(1)
    stop.abort()
    await assert.rejects(answer, { message: 'Request was aborted.' })
    await withDeadline(ended(held), 'an answer that nobody waits for')
    const { ended: requests, new_tokens } = held.stats()
    assert.equal(requests, 16)
    assert.ok(new_tokens < 800, `${new_tokens} of 3200 tokens`)
    await withDeadline(own.close(), 'the close of the server')
    await held.dispose()
  })
})

/** Resolves when nothing runs or waits. */
async function ended(model) {
  for (let all = model.stats(); all.running + all.waiting > 0; all = model.stats()) await sleep(1)
}
