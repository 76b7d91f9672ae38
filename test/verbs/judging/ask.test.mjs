// Judgments that are asked for side by side, kept line by line, and gone on with.
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { judgeSchema as schema } from '#lib/config/judge'
import { askForMissing } from '#lib/verbs/judging/ask'
import { JudgeClient } from '#lib/verbs/judging/client'
import { Judgments, judgmentsFile, requestOf } from '#lib/verbs/judging/judgments'
import { temporaryFolder } from '../../helpers/folders.mjs'
import { startJudge } from '../../helpers/judge.mjs'
import { warningsOf } from '../../helpers/warnings.mjs'

/** So many prompts of one turn. */
const promptsOf = (count, word = 'judge') =>
  Array.from({ length: count }, (_, i) => ({
    ...{ question_id: `${i}`, category: 'writing', turn: 1, template: 'single-v1' },
    messages: [{ role: 'user', content: `${word} ${i}` }],
  }))

/** Rates by the number at the end of the prompt. */
const byNumber = ({ messages }) => `Rating: [[${Number(messages.at(-1).content.split(' ').at(-1)) % 10}]]`

describe('judgments', () => {
  const root = temporaryFolder()
  let count = 0
  const fresh = () => join(root, `${count++}`, 'judgments.jsonl')

  async function asked(
    url,
    file,
    { prompts = promptsOf(20), signal = new AbortController().signal, onKept, ...more } = {},
  ) {
    const config = schema.parse({ model: 'stub-1', url, retries: 0, ...more })
    const client = JudgeClient.open(config, 'config')
    const requests = prompts.map((prompt) => requestOf(prompt, client.body(prompt.messages)))
    const kept = await Judgments.open(file, requests)
    const progress = []
    const options = { signal, onKept, onProgress: (one) => progress.push(one) }
    const number = await askForMissing(client, requests, kept, config, options)
    return { number, progress, judgments: await kept.close() }
  }

  test('many at a time are no leak to Node', async (t) => {
    const stub = await startJudge(t, byNumber)
    assert.deepEqual(await warningsOf(() => asked(stub.url, fresh(), { concurrency: 16 })), [])
  })

  test('each is asked once, so many at a time, and stands in the file in the order of the prompts', async (t) => {
    const stub = await startJudge(t, async (body, i) => {
      await new Promise((done) => setTimeout(done, (i % 3) * 10))
      return byNumber(body)
    })
    const file = fresh()
    const { number, progress, judgments } = await asked(stub.url, file, { concurrency: 3 })
    assert.equal(number, 20)
    assert.equal(stub.requests.length, 20)
    assert.equal(stub.most, 3)
    assert.deepEqual(progress.at(-1), { done: 20, total: 20 })
    assert.deepEqual(
      judgments.map(({ rating }) => rating),
      Array.from({ length: 20 }, (_, i) => i % 10),
    )
    const lines = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(lines, judgments)
    const [first] = lines
    assert.match(first.prompt_sha256, /^[0-9a-f]{64}$/)
    assert.deepEqual(
      { ...first, prompt_sha256: '' },
      {
        ...{
          step: 0,
          question_id: '0',
          category: 'writing',
          turn: 1,
          template: 'single-v1',
          judge: 'stub-1',
        },
        ...{ prompt_sha256: '', rating: 0, reply: 'Rating: [[0]]', finish_reason: 'stop' },
        ...{
          usage: { prompt_tokens: 7, completion_tokens: 3 },
          messages: [{ role: 'user', content: 'judge 0' }],
        },
      },
    )
  })

  test('stopped anywhere and gone on with, nothing is asked twice and the bytes are the same', async (t) => {
    const stub = await startJudge(t, byNumber)
    const whole = fresh()
    await asked(stub.url, whole)
    for (const after of [1, 7, 19]) {
      const file = fresh()
      const stop = new AbortController()
      let kept = 0
      const reason = new Error('enough')
      const onKept = () => {
        if (++kept === after) stop.abort(reason)
      }
      const stopped = asked(stub.url, file, { signal: stop.signal, onKept, concurrency: 1 })
      await assert.rejects(stopped, (error) => error === reason)
      const before = stub.requests.length
      const { number } = await asked(stub.url, file)
      assert.equal(number, 20 - after)
      assert.equal(stub.requests.length - before, 20 - after)
      assert.equal(readFileSync(file, 'utf8'), readFileSync(whole, 'utf8'))
    }
  })

  test('a line that was cut off by a kill is asked for again, and nothing else', async (t) => {
    const stub = await startJudge(t, byNumber)
    const file = fresh()
    await asked(stub.url, file)
    const bytes = readFileSync(file, 'utf8')
    writeFileSync(file, bytes.slice(0, -40))
    assert.equal((await asked(stub.url, file)).number, 1)
    assert.equal(readFileSync(file, 'utf8'), bytes)
    assert.equal((await asked(stub.url, file)).number, 0)
    appendFileSync(file, 'no JSON\n')
    await assert.rejects(asked(stub.url, file), {
      code: 'ERR_DATA',
      message: /judgments\.jsonl:21: expected a line of judgments/,
    })
  })

  test('a changed prompt, judge or request is asked anew, the address is not', async (t) => {
    const [stub, other] = [await startJudge(t, byNumber), await startJudge(t, byNumber)]
    const file = fresh()
    await asked(stub.url, file)
    assert.equal((await asked(other.url, file)).number, 0)
    const changed = promptsOf(20).map((prompt, i) =>
      i === 4 ? { ...prompt, messages: [{ role: 'user', content: 'another 4' }] } : prompt,
    )
    assert.equal((await asked(stub.url, file, { prompts: changed })).number, 1)
    assert.equal((await asked(stub.url, file, { prompts: changed, request: { seed: 1 } })).number, 20)
    assert.equal((await asked(stub.url, file, { prompts: changed, model: 'stub-2' })).number, 20)
    assert.notEqual(
      judgmentsFile('out', 'm', 't', { judge: 'a/b', mode: 'single' }),
      judgmentsFile('out', 'm', 't', { judge: 'a/b', mode: 'pairwise' }),
    )
  })

  test('judgments of prompts that are not asked now are kept behind the others, also where a run is stopped', async (t) => {
    const stub = await startJudge(t, byNumber)
    const file = fresh()
    await asked(stub.url, file)
    const bytes = readFileSync(file, 'utf8')
    const { number, judgments } = await asked(stub.url, file, { prompts: promptsOf(2) })
    assert.deepEqual([number, judgments.length], [0, 2])
    assert.equal(readFileSync(file, 'utf8').trim().split('\n').length, 20)
    const stop = new AbortController()
    const other = { prompts: promptsOf(20, 'German'), signal: stop.signal, concurrency: 1 }
    const stopped = asked(stub.url, file, { ...other, onKept: () => stop.abort(new Error('enough')) })
    await assert.rejects(stopped, /enough/)
    assert.equal((await asked(stub.url, file, { prompts: other.prompts })).number, 19)
    assert.equal((await asked(stub.url, file)).number, 0)
    const lines = readFileSync(file, 'utf8').split('\n')
    assert.equal(`${lines.slice(0, 20).join('\n')}\n`, bytes)
    assert.equal(lines.length - 1, 40)
    assert.equal(stub.requests.length, 40)
  })

  test('judges whose names are one as that of a file have files of their own', () => {
    const fileOf = (judge) => judgmentsFile('out', 'm', 't', { judge, mode: 'single' })
    const names = ['a/b', 'a_b', 'a:b', 'a b']
    assert.equal(new Set(names.map(fileOf)).size, names.length)
    assert.equal(fileOf('gpt-4.1'), join('out', 'judgments', 'm', 'judgments_t_gpt-4.1_single.jsonl'))
  })

  test('a request that is refused is unrated and asked again when gone on with; where all are, it is an error', async (t) => {
    const refuses = { status: 400, body: { error: { message: 'not this one' } } }
    const stub = await startJudge(t, (body) => (byNumber(body).includes('[[7]]') ? refuses : byNumber(body)))
    const file = fresh()
    const { judgments } = await asked(stub.url, file)
    assert.deepEqual(
      judgments
        .filter(({ refused }) => refused)
        .map(({ step, rating, reply, refused }) => ({ step, rating, reply, refused })),
      [7, 17].map((step) => ({ step, rating: null, reply: '', refused: '400: not this one' })),
    )
    assert.equal((await asked(stub.url, file)).number, 2)
    const never = await startJudge(t, () => refuses)
    const wrong = asked(never.url, fresh(), { concurrency: 1 })
    await assert.rejects(wrong, { code: 'ERR_JUDGE', message: /400: not this one/, hint: /judge\.request/ })
    assert.equal(never.requests.length, 5)
    await assert.rejects(asked(never.url, fresh(), { prompts: promptsOf(2) }), { code: 'ERR_JUDGE' })
  })

  test('after a failure no more is asked, and what was told is kept', async (t) => {
    const stub = await startJudge(t, (body, i) => (i === 8 ? { status: 500, body: 'gone' } : byNumber(body)))
    const file = fresh()
    await assert.rejects(asked(stub.url, file, { concurrency: 2 }), { code: 'ERR_JUDGE' })
    assert.ok(stub.requests.length <= 11, `${stub.requests.length}`)
    const told = readFileSync(file, 'utf8').trim().split('\n').length
    assert.ok(told >= 7 && told <= 10, `${told}`)
    const again = await startJudge(t, byNumber)
    assert.equal((await asked(again.url, file)).number, 20 - told)
    assert.ok(existsSync(file))
  })
})
