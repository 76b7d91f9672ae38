// What is sent to a judge, and what is done with whatever comes back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeSchema as schema } from '#lib/config/judge'
import { JudgeClient } from '#lib/verbs/judging/client'
import { completion, startJudge } from '../../helpers/judge.mjs'

const MESSAGES = [
  { role: 'system', content: 'You help.' },
  { role: 'user', content: 'Rate "this" – 這個.' },
]
const KEY_NAME = 'TONGUEFORGE_TEST_JUDGE_KEY'
const KEY = 'sk-secret-0123456789'

const clientOf = (config, waits) =>
  JudgeClient.open(schema.parse({ model: 'stub-1', ...config }), 'config', waits)
const ask = (client, signal = new AbortController().signal, onWarning) =>
  client.ask(MESSAGES, { signal, onWarning })

/** With this environment variable while `work` runs. */
async function withVariable(name, value, work) {
  const before = process.env[name]
  process.env[name] = value
  try {
    return await work()
  } finally {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  }
}

const failing = (pattern, hint) => (error) => {
  assert.equal(error.code, 'ERR_JUDGE', error.stack)
  assert.match(error.message, pattern)
  assert.match(error.hint, hint)
  return true
}

test('a request has the prompt, the judge, temperature 0, and the key in its header', async (t) => {
  const stub = await startJudge(t)
  const reply = await withVariable(KEY_NAME, KEY, () =>
    ask(clientOf({ url: stub.url, api_key_env: KEY_NAME })),
  )
  assert.deepEqual(reply, {
    text: 'Rating: [[5]]',
    finish_reason: 'stop',
    usage: { prompt_tokens: 7, completion_tokens: 3 },
  })
  const [{ method, url, headers, body }] = stub.requests
  assert.equal(`${method} ${url}`, 'POST /v1/chat/completions')
  assert.equal(headers['content-type'], 'application/json')
  assert.equal(headers.authorization, `Bearer ${KEY}`)
  assert.deepEqual(body, { model: 'stub-1', messages: MESSAGES, temperature: 0, max_tokens: 2048 })
})

test('the address may be that of the endpoint itself; fields are added, changed and left out', async (t) => {
  const stub = await startJudge(t)
  await withVariable('OPENAI_API_KEY', '', () =>
    ask(
      clientOf({
        url: `${stub.url}/chat/completions/`,
        request: { max_tokens: null, max_completion_tokens: 99, temperature: 1, seed: 3 },
      }),
    ),
  )
  const [{ url, headers, body }] = stub.requests
  assert.equal(url, '/v1/chat/completions')
  assert.equal(headers.authorization, undefined)
  const sent = { model: 'stub-1', messages: MESSAGES, temperature: 1, max_completion_tokens: 99, seed: 3 }
  assert.deepEqual(body, sent)
})

const SOON = { first: 0.01, longest: 0.04 }

test('what fails for a moment is asked for again: 429, 500 and more, no JSON, no choices', async (t) => {
  const bad = [
    { status: 429, body: { error: { message: 'slowly' } } },
    { status: 500, body: 'down' },
    { status: 503, body: { detail: 'loading' } },
    { status: 200, body: '{"choices": [' },
    { status: 200, body: { choices: [] } },
    { status: 200, body: '<html>a gateway</html>' },
  ]
  const stub = await startJudge(t, (_, i) => bad[i] ?? '[[9]]')
  const { text } = await ask(clientOf({ url: stub.url }, SOON))
  assert.equal(text, '[[9]]')
  assert.equal(stub.requests.length, bad.length + 1)
  for (const { body } of stub.requests) assert.deepEqual(body, stub.requests[0].body)
})

test('an endpoint is given the time that it asks for, in seconds or as a date', async (t) => {
  for (const [asked, least] of [
    [() => '0.3', 300],
    [() => new Date(Date.now() + 1999).toUTCString(), 500], // whole seconds: from 1 to 2 of them
  ]) {
    const stub = await startJudge(t, (_, i) =>
      i === 0 ? { status: 429, headers: { 'retry-after': asked() }, body: '{}' } : 'ok',
    )
    const warnings = []
    const begin = performance.now()
    await ask(clientOf({ url: stub.url }, { ...SOON, told: 0.2 }), undefined, (one) => warnings.push(one))
    assert.ok(performance.now() - begin >= least - 5, `${performance.now() - begin}`)
    assert.match(warnings.join(), /asked again in \d seconds: 429/)
  }
})

test('as many attempts as there are retries, then the last failure, with what may help', async (t) => {
  for (const [answer, attempts, message, hint] of [
    [{ status: 500, body: { error: 'broken' } }, 3, /received 500: broken/, /--resume/],
    [
      { status: 429, body: { error: { code: 'insufficient_quota', message: 'pay' } } },
      1,
      /429: pay/,
      /--resume/,
    ],
    [
      { status: 401, body: { error: { message: 'who?' } } },
      1,
      /401: who\?/,
      /judge\.api_key_env.*OPENAI_API_KEY/,
    ],
    [{ status: 404, body: 'nothing here' }, 1, /404: nothing here/, /\/v1.*judge\.model/],
    [{ status: 200, body: '[]' }, 3, /no chat completion: "\[\]"/, /end in \/v1/],
    [{ status: 200, body: completion(5) }, 3, /no chat completion/, /end in \/v1/],
  ]) {
    const stub = await startJudge(t, () => answer)
    await assert.rejects(ask(clientOf({ url: stub.url, retries: 2 }, SOON)), failing(message, hint))
    assert.equal(stub.requests.length, attempts, String(message))
  }
})

test('a request that the endpoint does not take is no failure, and is not sent again', async (t) => {
  const stub = await startJudge(t, () => ({ status: 400, body: { error: { message: 'too\nlong' } } }))
  assert.deepEqual(await ask(clientOf({ url: stub.url }, SOON)), {
    text: '',
    finish_reason: null,
    refused: '400: too long',
  })
  assert.equal(stub.requests.length, 1)
})

test('a reply without words is empty; one that declines is what it says', async (t) => {
  const messages = [{ content: null }, { content: null, refusal: 'I will not.' }, { content: '' }]
  const stub = await startJudge(t, (_, i) => ({
    body: { choices: [{ message: messages[i], finish_reason: 'length' }], usage: null },
  }))
  const client = clientOf({ url: stub.url }, SOON)
  for (const text of ['', 'I will not.', ''])
    assert.deepEqual(await ask(client), { text, finish_reason: 'length' })
})

test('a judge that is late is asked again, and then it is an error; so is one that nobody runs', async (t) => {
  const held = new Promise(() => {})
  const late = await startJudge(t, (_, i) => (i === 0 ? { wait: held } : 'in time'))
  assert.equal((await ask(clientOf({ url: late.url, timeout: 0.1 }, SOON))).text, 'in time')
  const never = await startJudge(t, () => ({ wait: held }))
  await assert.rejects(
    ask(clientOf({ url: never.url, timeout: 0.05, retries: 1 }, SOON)),
    failing(/nothing in 0\.05 seconds/, /judge\.timeout/),
  )
  assert.equal(never.requests.length, 2)
  await never.close()
  await assert.rejects(
    ask(clientOf({ url: never.url, retries: 1 }, SOON)),
    failing(/127\.0\.0\.1:\d+\/v1: .*no connection \(ECONNREFUSED\)/, /server running/),
  )
})

test('stopped at any moment, it rejects with the reason at once', async (t) => {
  const reason = new Error('enough')
  const held = await startJudge(t, () => ({ wait: new Promise(() => {}) }))
  const busy = await startJudge(t, () => ({ status: 429, headers: { 'retry-after': '60' }, body: '{}' }))
  for (const { url } of [held, busy]) {
    const stop = new AbortController()
    const asked = ask(clientOf({ url }), stop.signal)
    setTimeout(() => stop.abort(reason), 100)
    const begin = performance.now()
    await assert.rejects(asked, (error) => error === reason)
    assert.ok(performance.now() - begin < 2000)
  }
  const gone = AbortSignal.abort(reason)
  await assert.rejects(ask(clientOf({ url: held.url }), gone), (error) => error === reason)
})

test('a key is shown nowhere: neither by an endpoint that echoes it nor by a config that it stands in', async (t) => {
  const stub = await startJudge(t, ({ model }, i) =>
    i === 0
      ? `Your key is ${KEY}. [[3]]`
      : { status: 401, body: { error: { message: `${KEY} of ${model}` } } },
  )
  await withVariable(KEY_NAME, KEY, async () => {
    const client = clientOf({ url: stub.url, api_key_env: KEY_NAME })
    assert.equal((await ask(client)).text, 'Your key is ***. [[3]]')
    await assert.rejects(ask(client), (error) => {
      assert.match(error.message, /401: \*\*\* of stub-1/)
      assert.doesNotMatch(JSON.stringify(error) + error.stack, /secret/)
      return true
    })
  })
  const open = await startJudge(t, () => 'An EMPTY word.')
  await withVariable(KEY_NAME, 'EMPTY', async () => {
    const client = clientOf({ url: open.url, api_key_env: KEY_NAME })
    assert.equal((await ask(client)).text, 'An EMPTY word.', 'what is no secret stays')
  })
  const refused = (config, message) =>
    assert.throws(
      () => clientOf(config),
      (error) => {
        assert.equal(error.code, 'ERR_CONFIG')
        assert.match(error.message, message)
        assert.match(error.hint, /OPENAI_API_KEY|api_key_env/)
        assert.doesNotMatch(JSON.stringify(error) + error.stack, /secret/)
        return true
      },
    )
  refused({ api_key_env: KEY }, /judge\.api_key_env: expected an environment variable that is set/)
  refused({ url: 'https://user:secret@localhost/v1' }, /judge\.url: expected an address without/)
  await withVariable(KEY_NAME, 'secret\nsecret', () =>
    refused({ api_key_env: KEY_NAME }, /the variable holds another text/),
  )
  await withVariable(KEY_NAME, ` ${KEY}\n`, () => clientOf({ api_key_env: KEY_NAME }))
})
