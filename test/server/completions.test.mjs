// Texts that go on, over HTTP.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { loadModel } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { chatModel, clientOf, served } from '../helpers/served.mjs'
import { warningsOf } from '../helpers/warnings.mjs'

describe('/v1/completions', () => {
  const root = temporaryFolder()
  let server
  let client
  let model
  before(async () => {
    model = await loadModel(await chatModel(root), { threads: 1, serving: true })
    server = await served({ models: { tiny: model }, maxTokens: 40 })
    client = clientOf(server.url)
  })
  after(async () => {
    await server.close()
    await model.dispose()
  })
  const ask = (more) => client.completions.create({ model: 'tiny', temperature: 0, ...more })
  const alone = (prompt, more) => model.generate(prompt, more).result

  test('texts and token ids, one or many, are gone on with in their order', async () => {
    const ids = [5, 9, 11]
    const [text, more, ofIds] = await Promise.all(
      ['the police', 'a fox', ids].map((prompt) => alone(prompt, { maxNewTokens: 16 })),
    )
    const texts = async (prompt, rest) =>
      (await ask({ prompt, ...rest })).choices.map((choice) => choice.text)
    assert.deepEqual(await texts('the police'), [text.text])
    assert.deepEqual(await texts(ids), [ofIds.text])
    assert.deepEqual(await texts(['the police', 'a fox']), [text.text, more.text])
    assert.deepEqual(await texts([ids, ids]), [ofIds.text, ofIds.text])
    const { choices, usage } = await ask({ prompt: ['the police', 'a fox'], n: 2, seed: 1, temperature: 1 })
    assert.deepEqual(
      choices.map(({ index }) => index),
      [0, 1, 2, 3],
    )
    for (const [i, prompt] of ['the police', 'the police', 'a fox', 'a fox'].entries()) {
      const expected = await alone(prompt, { maxNewTokens: 16, temperature: 1, seed: 1 + i })
      assert.equal(choices[i].text, expected.text)
    }
    assert.equal(usage.prompt_tokens, text.usage.prompt_tokens + more.usage.prompt_tokens)
  })

  test('equal prompts of one request are answered apart, each with a seed of its own', async () => {
    const prompt = Array(3).fill('the police')
    for (const more of [{}, { seed: 2 ** 53 - 1 - 128 ** 2 }]) {
      const { choices } = await ask({ prompt, n: 2, temperature: 1, ...more })
      assert.equal(new Set(choices.map(({ text }) => text)).size, 6)
    }
  })

  test('many answers to one request are no leak to Node', async () => {
    assert.deepEqual(await warningsOf(() => ask({ prompt: 'the', n: 16, max_tokens: 2 })), [])
  })

  test('an answer is no longer than the server allows', async () => {
    const { choices, usage } = await ask({ prompt: [5, 9], max_tokens: 200, temperature: 1, seed: 4 })
    assert.ok(usage.completion_tokens === 40 || choices[0].finish_reason === 'stop', JSON.stringify(usage))
    assert.equal((await ask({ prompt: 'the', max_tokens: 0 })).usage.completion_tokens, 0)
  })

  test('a stream has the same text and log-probabilities as the whole', async () => {
    const prompt = 'the police sees'
    const options = { prompt, max_tokens: 20, seed: 2, temperature: 1, logprobs: 2 }
    const { choices, usage } = await ask(options)
    const expected = await alone(prompt, { maxNewTokens: 20, seed: 2, temperature: 1, logprobs: 2 })
    assert.deepEqual(
      choices[0].logprobs.token_logprobs,
      expected.logprobs.map(({ logprob }) => logprob),
    )
    assert.deepEqual(
      Object.values(choices[0].logprobs.top_logprobs[0]),
      expected.logprobs[0].top.map(({ logprob }) => logprob),
    )
    const joined = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] }
    let text = ''
    let last
    for await (const chunk of await ask({
      ...options,
      stream: true,
      stream_options: { include_usage: true },
    })) {
      last = chunk
      for (const choice of chunk.choices) {
        text += choice.text
        for (const key of Object.keys(joined)) joined[key].push(...(choice.logprobs?.[key] ?? []))
      }
    }
    assert.equal(text, choices[0].text)
    assert.deepEqual(joined, choices[0].logprobs)
    assert.deepEqual(joined.text_offset, offsets(joined.tokens))
    assert.deepEqual({ ...last.usage, prompt_tokens_details: {} }, { ...usage, prompt_tokens_details: {} })
  })

  test('offsets count what is in the text, and no special tokens', async () => {
    const { choices } = await ask({ prompt: 'the', logprobs: 0, max_tokens: 40, temperature: 2, seed: 4 })
    const [{ text, logprobs }] = choices
    const { tokens, text_offset } = logprobs
    assert.ok(tokens.slice(0, -1).includes(' <pad>'), text)
    for (const [i, token] of tokens.entries())
      if (token !== ' <pad>')
        assert.equal(text.slice(text_offset[i], text_offset[i] + token.length), token, `${token} of ${text}`)
  })
})

const offsets = (tokens) => tokens.map((_, i) => tokens.slice(0, i).join('').length)
