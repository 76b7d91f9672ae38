// Scores from an endpoint: what it is sent, and what becomes of all that it may answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scorersSchema } from '#lib/config/scorers'
import { ENDPOINT, EndpointScorer, endpointOf } from '#lib/verbs/scoring/endpoint'
import { startJudge as startStub } from '../../helpers/judge.mjs'

const WAITS = { first: 0.001, longest: 0.002, longestAsked: 0.01, told: 60 }
const KEY_NAME = 'TONGUEFORGE_TEST_SCORER_KEY'
const KEY = 'secret-of-the-scorer-1'

function scorerOf(keys) {
  const context = { name: 'toxicity', scorer: scorersSchema.parse(keys) }
  return new EndpointScorer(endpointOf(context, 'config.yaml'), context, WAITS)
}

/** Of each text its length over 100. */
const lengths = ({ texts }) => ({ body: { scores: texts.map((text) => text.length / 100) } })

const TEXTS = Array.from({ length: 10 }, (_, i) => 'x'.repeat(i + 1))
const SCORES = TEXTS.map((text) => text.length / 100)

const failing = (message, hint) => (error) => {
  assert.equal(error.code, 'ERR_SCORER', error.message)
  assert.match(error.message, message)
  assert.match(error.hint, hint)
  return true
}

test('texts go in batches, several at a time, and come back in their order', async (t) => {
  const stub = await startStub(t, lengths)
  const heard = []
  const scorer = scorerOf({ url: stub.url, batch: 3, concurrency: 2 })
  assert.deepEqual(await scorer.score(TEXTS, { onProgress: ({ done }) => heard.push(done) }), SCORES)
  assert.equal(stub.requests.length, 4)
  assert.ok(stub.most <= 2)
  assert.deepEqual(stub.requests[0].body, { attribute: 'toxicity', texts: TEXTS.slice(0, 3) })
  assert.equal(heard.at(-1), 10)
  assert.equal(stub.requests[0].headers.authorization, undefined)
})

test('Perspective is asked text by text, with the key in its header', async (t) => {
  process.env[KEY_NAME] = KEY
  t.after(() => delete process.env[KEY_NAME])
  const stub = await startStub(t, ({ comment }) => ({
    body: { attributeScores: { TOXICITY: { summaryScore: { value: comment.text.length / 100 } } } },
  }))
  const keys = { url: stub.url, protocol: 'perspective', languages: ['de'], api_key_env: KEY_NAME }
  assert.deepEqual(await scorerOf(keys).score(TEXTS, {}), SCORES)
  const { body, headers } = stub.requests.find((one) => one.body.comment.text === 'x')
  assert.deepEqual(body, {
    comment: { text: 'x' },
    requestedAttributes: { TOXICITY: {} },
    languages: ['de'],
    doNotStore: true,
  })
  assert.equal(headers['x-goog-api-key'], KEY)
})

test('a text that Perspective does not take has no score; where it takes none, that is an error', async (t) => {
  const refused = { status: 400, body: { error: { message: 'LANGUAGE_NOT_SUPPORTED' } } }
  const stub = await startStub(t, ({ comment }) =>
    comment.text === 'xx'
      ? refused
      : { body: { attributeScores: { TOXICITY: { summaryScore: { value: 0.5 } } } } },
  )
  const scorer = scorerOf({ url: stub.url, protocol: 'perspective' })
  assert.deepEqual(await scorer.score(['x', 'xx', 'xxx'], {}), [0.5, null, 0.5])
  await assert.rejects(scorer.score(['xx'], {}), failing(/400: LANGUAGE_NOT_SUPPORTED/, /--resume/))
})

test('what fails for a moment is asked for again: 429, 500, a break, no JSON, too few scores', async (t) => {
  const bad = [
    { status: 429, body: '{}', headers: { 'retry-after': '0' } },
    { status: 500, body: 'oops' },
    { body: 'no JSON' },
    { body: { scores: [1] } },
    { body: { scores: ['1', '2'] } },
  ]
  const stub = await startStub(t, (body, i) => bad[i] ?? lengths(body))
  assert.deepEqual(await scorerOf({ url: stub.url }).score(TEXTS, {}), SCORES)
  assert.equal(stub.requests.length, 6)
})

test('as many attempts as there are retries, then an error that says what came and what may help', async (t) => {
  const nonsense = await startStub(t, () => ({ body: { score: 1 } }))
  await assert.rejects(
    scorerOf({ url: nonsense.url, retries: 2 }).score(TEXTS, {}),
    failing(
      /expected scores, received a reply without a score for each text: .*score/,
      /generation_tasks\.md#endpoints/,
    ),
  )
  assert.equal(nonsense.requests.length, 3)
  const closed = await startStub(t, () => ({ status: 401, body: { error: { message: 'who are you' } } }))
  await assert.rejects(
    scorerOf({ url: closed.url }).score(TEXTS, {}),
    failing(/401: who are you/, /scorers\.toxicity\.api_key_env/),
  )
  assert.equal(closed.requests.length, 1)
  const late = await startStub(t, () => ({ wait: new Promise(() => {}) }))
  await assert.rejects(
    scorerOf({ url: late.url, timeout: 0.05, retries: 0 }).score(TEXTS, {}),
    failing(/nothing in 0\.05 seconds/, /scorers\.toxicity\.timeout/),
  )
  await late.close()
  await assert.rejects(
    scorerOf({ url: late.url, retries: 0 }).score(TEXTS, {}),
    failing(/ECONNREFUSED/, /server running at scorers\.toxicity\.url/),
  )
})

test('a redirect is told and not followed: text and key go where the config says, and nowhere else', async (t) => {
  process.env[KEY_NAME] = KEY
  t.after(() => delete process.env[KEY_NAME])
  const elsewhere = await startStub(t, lengths)
  for (const status of [301, 302, 307, 308]) {
    const headers = { location: `${elsewhere.url}/scores` }
    const stub = await startStub(t, () => ({ status, body: '', headers }))
    for (const protocol of ['perspective', undefined]) {
      const keys = { url: stub.url, api_key_env: KEY_NAME, ...(protocol && { protocol }) }
      await assert.rejects(
        scorerOf(keys).score(['x'], {}),
        failing(new RegExp(`${status}: a redirect to ${elsewhere.url}/scores`), /scorers\.toxicity\.url/),
      )
    }
    assert.equal(stub.requests.length, 2, 'asked once each: another attempt would not fare better')
  }
  assert.deepEqual(elsewhere.requests, [])
})

test('stopped, it rejects with the reason at once, whatever it waits for', async (t) => {
  const reason = new Error('enough')
  const held = await startStub(t, () => ({ wait: new Promise(() => {}) }))
  const stop = new AbortController()
  const asked = scorerOf({ url: held.url }).score(TEXTS, { signal: stop.signal })
  setTimeout(() => stop.abort(reason), 50)
  const begin = performance.now()
  await assert.rejects(asked, (error) => error === reason)
  assert.ok(performance.now() - begin < 1000)
})

test('a key stands in the environment, and is shown nowhere', async (t) => {
  process.env[KEY_NAME] = KEY
  t.after(() => delete process.env[KEY_NAME])
  const stub = await startStub(t, () => ({ status: 403, body: { error: { message: `bad key ${KEY}` } } }))
  const keys = { url: stub.url, api_key_env: KEY_NAME }
  await assert.rejects(scorerOf(keys).score(TEXTS, {}), (error) => {
    assert.match(error.message, /bad key \*\*\*/)
    assert.doesNotMatch(JSON.stringify(error) + error.stack, /secret/)
    return true
  })
  assert.equal(stub.requests[0].headers.authorization, `Bearer ${KEY}`)
  const context = { name: 'toxicity', scorer: scorersSchema.parse(keys) }
  assert.doesNotMatch(JSON.stringify(await ENDPOINT.identity(context)), /secret/)
  assert.throws(() => scorerOf({ url: stub.url, api_key_env: KEY }), {
    code: 'ERR_CONFIG',
    message: /^config\.yaml: scorers\.toxicity\.api_key_env: expected an environment variable that is set/,
  })
  assert.throws(() => scorerOf({ url: 'http://a:b@localhost' }), {
    code: 'ERR_CONFIG',
    message: /without a name/,
  })
})
