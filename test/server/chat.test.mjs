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

  test('log-probabilities are those of the model, and bytes in a row are the text', async () => {
    const alone = await model.chat(messages, { maxNewTokens: 10, temperature: 1, seed: 3, logprobs: 4 })
      .result
    const { choices } = await client.chat.completions.create({
      ...{ model: 'tiny', messages, seed: 3, max_tokens: 10, logprobs: true, top_logprobs: 4 },
    })
    const { content } = choices[0].logprobs
    const numbers = (list) => list.map(({ logprob }) => logprob)
    assert.deepEqual(numbers(content), numbers(alone.logprobs))
    for (const [i, { top_logprobs }] of content.entries())
      assert.deepEqual(numbers(top_logprobs), numbers(alone.logprobs[i].top))
    const { tokenizer } = await model.text()
    const spoken = content.slice(0, alone.finish_reason === 'stop' ? -1 : undefined)
    const text = Buffer.from(spoken.flatMap(({ bytes }) => bytes)).toString()
    assert.equal(text.trimStart(), (await tokenizer.decode(alone.ids)).trimStart())
  })

  test('n answers have seeds in a row, one after the other or mixed in a stream', async () => {
    const ask = { model: 'tiny', messages, seed: 20, max_tokens: 8, stop: 'is' }
    const alone = []
    for (const seed of [20, 21, 22])
      alone.push(await model.chat(messages, { maxNewTokens: 8, temperature: 1, seed, stop: ['is'] }).result)
    const { choices, usage } = await client.chat.completions.create({ ...ask, n: 3 })
    assert.deepEqual(
      choices.map(({ message, finish_reason }) => [message.content, finish_reason]),
      alone.map(({ text, finish_reason }) => [text, finish_reason]),
    )
    assert.equal(usage.prompt_tokens, alone[0].usage.prompt_tokens)
    assert.equal(
      usage.completion_tokens,
      alone.reduce((sum, { ids }) => sum + ids.length, 0),
    )
    const texts = ['', '', '']
    for await (const { choices } of await client.chat.completions.create({ ...ask, n: 3, stream: true }))
      for (const { index, delta } of choices) texts[index] += delta.content ?? ''
    assert.deepEqual(
      texts,
      alone.map(({ text }) => text),
    )
  })

  test('parts are one text, a developer is the system, and an answer may be sent back as it came', async () => {
    const ask = async (messages) => {
      const { choices } = await client.chat.completions.create({ messages, temperature: 0, max_tokens: 6 })
      return choices[0].message
    }
    const question = { role: 'user', content: 'what is red ?' }
    const parts = ['what is', ' red ?'].map((text) => ({ type: 'text', text }))
    const answer = await ask([question])
    assert.deepEqual(await ask([{ role: 'user', content: parts }]), answer)
    await ask([question, answer, question])
    // The template of this model knows no system: it refuses both alike.
    for (const role of ['system', 'developer'])
      await assert.rejects(ask([{ role, content: 'be brief' }, question]), { code: 'invalid_messages' })
  })

  test('a client that leaves in the middle of a stream, or of an answer, ends its request', async () => {
    const wide = await chatModel(root, 'wide', { width: 256, layers: 4 })
    const held = await loadModel(wide, { threads: 1, serving: true })
    const own = await served({ models: { held } })
    const { chat } = clientOf(own.url)
    const endless = { model: 'held', messages, max_tokens: 200, n: 8, seed: 5 }
    const { usage } = await chat.completions.create(endless)
    let before = held.stats().new_tokens
    const isEnded = async (what) => {
      await withDeadline(ended(held), what)
      const { new_tokens } = held.stats()
      const spent = new_tokens - before
      assert.ok(spent < usage.completion_tokens / 2, `${spent} of ${usage.completion_tokens} tokens: ${what}`)
      before = new_tokens
    }
    const stream = await chat.completions.create({ ...endless, stream: true })
    for await (const { choices } of stream) if (choices[0].delta.content) break
    await isEnded('a stream whose reader has left')
    const stop = new AbortController()
    const answer = chat.completions.create(endless, { signal: stop.signal })
    while (held.stats().running === 0) await sleep(1)
    stop.abort()
    await assert.rejects(answer, { message: 'Request was aborted.' })
    await isEnded('an answer that nobody waits for')
    assert.equal(held.stats().ended, 24)
    await withDeadline(own.close(), 'the close of the server')
    await held.dispose()
  })
})

/** Resolves when nothing runs or waits. */
async function ended(model) {
  for (let all = model.stats(); all.running + all.waiting > 0; all = model.stats()) await sleep(1)
}
