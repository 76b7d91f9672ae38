// A model that serves: many requests at the same time, each answered as if it were alone.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { loadModel } from 'tongueforge'
import { native } from '#lib/native'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { random, seed, sleep, withDeadline } from '../helpers/stress.mjs'
import { scaleEmbeddingRow, writeTinyModel } from '../helpers/tiny_model.mjs'
import { warningsOf } from '../helpers/warnings.mjs'

const WORDS = ['the', 'police', 'a', 'fox', 'sees', 'what', 'is', 'and']

describe(`a model that serves (seed ${seed})`, () => {
  const root = temporaryFolder()
  const [folder, base, chat] = ['model', 'base', 'chat'].map((name) => join(root, name))
  const draw = random(seed)
  let model
  before(async () => {
    for (const [i, path] of [folder, base, chat].entries()) await writeTinyModel(path, { seed: i + 1 })
    model = await loadModel(folder, { threads: 1, serving: { sequences: 16, cache: '4MB' } })
  })
  after(() => model.dispose())
  const idle = (served) => {
    const { running, waiting, pages_in_use } = served.stats()
    assert.deepEqual({ running, waiting, pages_in_use }, { running: 0, waiting: 0, pages_in_use: 0 })
  }

  test('a run of the engine that fails takes its requests with it, and none that comes later', async (t) => {
    const small = await loadModel(folder, { threads: 1, serving: { sequences: 1, queue: 1 } })
    const addon = native()
    const { runEngine } = addon
    t.mock.method(addon, 'runEngine', () => ({ id: -1, promise: Promise.reject(new Error('no thread')) }))
    const ask = () => small.generate([9, 8], { maxNewTokens: 3 }).result
    for (const { reason } of await Promise.allSettled([ask(), ask()]))
      assert.match(reason.message, /no thread/)
    addon.runEngine = runEngine
    const [one, other] = await withDeadline(Promise.all([ask(), ask()]), 'requests after a failure')
    assert.deepEqual(one.ids, other.ids)
    idle(small)
    await small.dispose()
  })

  test('text, ids and end are those of a model that does not serve, in pieces and as a whole', async () => {
    const plain = await loadModel(folder, { threads: 1 })
    for (const options of [
      { maxNewTokens: 30 },
      { maxNewTokens: 30, temperature: 1, seed: 5, stop: ['the'] },
      { maxNewTokens: 0 },
    ]) {
      const expected = await plain.generate('the police', options).result
      const run = model.generate('the police', options)
      const pieces = []
      for await (const piece of run) pieces.push(piece)
      const { tokens_per_second: _, usage, ...result } = await run.result
      assert.equal(result.text, expected.text)
      assert.deepEqual(result.ids, expected.ids)
      assert.equal(result.finish_reason, expected.finish_reason)
      assert.equal(pieces.map(({ text }) => text).join(''), result.text)
      assert.equal(usage.new_tokens, result.ids.length)
      assert.equal(usage.prompt_tokens, expected.usage.prompt_tokens)
    }
    const messages = [{ role: 'user', content: 'what ?' }]
    const [ours, theirs] = await Promise.all(
      [model, plain].map((one) => one.chat(messages, { maxNewTokens: 9 }).result),
    )
    assert.equal(ours.text, theirs.text)
    const rows = [
      [1, 5, 9],
      [2, 7],
    ]
    const sampled = { maxNewTokens: 8, temperature: 1, seed: 3 }
    assert.deepEqual(await model.generateIds(rows, sampled), await plain.generateIds(rows, sampled))
    await plain.dispose()
  })

  test('among 64 streams, some aborted and some refused, each says what it says alone', async () => {
    const requests = Array.from({ length: 64 }, (_, i) => ({
      prompt: Array.from({ length: 1 + Math.floor(draw() * 60) }, () => WORDS[Math.floor(draw() * 8)]).join(
        ' ',
      ),
      options: { maxNewTokens: 5 + Math.floor(draw() * 40), temperature: i % 2, seed: i, stop: ['police'] },
    }))
    const alone = []
    for (const { prompt, options } of requests) alone.push(await model.generate(prompt, options).result)
    const outcomes = requests.map(async ({ prompt, options }, i) => {
      await sleep(draw() * 20)
      if (i % 8 === 3) return assert.rejects(model.generate([1, 10 ** 6]).result, { code: 'ERR_DATA' })
      if (i % 8 === 5) {
        const stop = new AbortController()
        const run = model.generate(prompt, { ...options, maxNewTokens: 200, stop: [], signal: stop.signal })
        setTimeout(() => stop.abort(new Error('enough')), draw() * 10)
        return run.result.catch((error) => assert.equal(error.message, 'enough'))
      }
      const { text, ids, finish_reason } = await model.generate(prompt, options).result
      assert.deepEqual(
        { text, ids, finish_reason },
        { text: alone[i].text, ids: alone[i].ids, finish_reason: alone[i].finish_reason },
      )
    })
    await withDeadline(Promise.all(outcomes), '64 streams')
    idle(model)
  })

  test('however far the engine is ahead, the event loop turns after a few tokens', async () => {
    let told = 0
    let most = 0
    const turn = () => {
      most = Math.max(most, told)
      told = 0
      next = setImmediate(turn)
    }
    let next = setImmediate(turn)
    const busy = performance.now() + 20
    const onToken = () => {
      told++
      while (performance.now() < busy); // the engine goes on meanwhile
    }
    const prompts = Array.from({ length: 16 }, (_, i) => [i + 1])
    await model.generateIds(prompts, { maxNewTokens: 120, stopIds: [], onToken })
    clearImmediate(next)
    assert.ok(most > 0 && most <= 64, `${most} tokens in a turn`)
    idle(model)
  })

  test('in bfloat16 too, each says among others what it says alone', async () => {
    const half = await loadModel(folder, { threads: 1, dtype: 'bfloat16', serving: { sequences: 5 } })
    const prompts = Array.from({ length: 9 }, (_, i) =>
      Array.from({ length: 3 + 9 * i }, (_, j) => 5 + ((i * j) % 40)),
    )
    const options = { maxNewTokens: 20, stopIds: [], logprobs: 1 }
    const together = await half.generateIds(prompts, options)
    for (const [i, prompt] of prompts.entries())
      assert.deepEqual((await half.generateIds([prompt], options))[0], together[i])
    await half.dispose()
  })

  test('a prompt that begins like another finds that computed', async () => {
    const prompt = Array.from({ length: 100 }, (_, i) => 5 + ((i * 7) % 40))
    const say = async (ids) => (await model.generate(ids, { maxNewTokens: 4 }).result).usage
    assert.deepEqual(await say(prompt), { prompt_tokens: 100, cached_tokens: 0, new_tokens: 4 })
    assert.deepEqual(await say(prompt), { prompt_tokens: 100, cached_tokens: 96, new_tokens: 4 })
    assert.equal((await say([...prompt.slice(0, 70), 3, 4])).cached_tokens, 64)
    assert.equal((await say([9, ...prompt])).cached_tokens, 0)
    assert.ok(model.stats().pages_kept > 0)
    const without = await loadModel(folder, { threads: 1, serving: { prefixCache: false } })
    for (let i = 0; i < 2; i++)
      assert.equal((await without.generate(prompt, { maxNewTokens: 1 }).result).usage.cached_tokens, 0)
    assert.equal(without.stats().pages_kept, 0)
    await without.dispose()
  })

  test('log-probabilities add up to the score of the text, and come with their pieces', async () => {
    const prompt = [2, 9, 11]
    const run = model.generate(prompt, { maxNewTokens: 20, temperature: 1, seed: 2, logprobs: 3 })
    const pieces = []
    for await (const piece of run) pieces.push(piece)
    const { ids, logprobs } = await run.result
    assert.deepEqual(
      pieces.flatMap((piece) => piece.logprobs ?? []),
      logprobs,
    )
    assert.deepEqual(
      logprobs.map(({ id }) => id),
      ids,
    )
    const [{ nll }] = await model.scoreIds([[...prompt, ...ids]], { firstTarget: prompt.length })
    const sum = logprobs.reduce((total, { logprob }) => total + logprob, 0)
    assert.ok(Math.abs(sum + nll) < 1e-4 * nll, `${sum} and ${nll}`)
    for (const { top } of logprobs) {
      assert.equal(top.length, 3)
      assert.ok(top[0].logprob >= top[1].logprob && top[1].logprob >= top[2].logprob)
    }
    const plain = await loadModel(folder, { threads: 1 })
    await assert.rejects(plain.generate(prompt, { logprobs: 1 }).result, {
      code: 'ERR_USAGE',
      message: 'logprobs: expected a model that was loaded with serving: true',
      hint: 'loadModel(folder, { serving: true })',
    })
    assert.throws(() => plain.stats(), { code: 'ERR_USAGE' })
    assert.throws(() => plain.checkRoom(), {
      code: 'ERR_USAGE',
      message: /^checkRoom: expected a model that/,
    })
    await plain.dispose()
  })

  test('one request more than may run and wait is refused, and the others are answered', async () => {
    const small = await loadModel(folder, { threads: 1, serving: { sequences: 2, queue: 3 } })
    const prompts = Array.from({ length: 5 }, (_, i) => [i + 1])
    const answers = small.generateIds(prompts, { maxNewTokens: 250, stopIds: [] })
    while (small.stats().waiting + small.stats().running < 5) await sleep(0)
    await assert.rejects(small.generateIds([[1]], { stopIds: [] }), {
      code: 'ERR_QUEUE_FULL',
      message: 'Expected at most 5 requests at a time (2 that run, 3 that wait), received one more',
      hint: /larger `queue`/,
    })
    assert.throws(() => small.checkRoom(), {
      code: 'ERR_QUEUE_FULL',
      message: 'Expected at most 5 requests at a time (2 that run, 3 that wait), received one more',
      hint: /larger `queue`/,
    })
    assert.equal((await answers).length, 5)
    while (small.stats().running + small.stats().waiting > 0) await sleep(0)
    small.checkRoom(5)
    assert.throws(() => small.checkRoom(6), { code: 'ERR_QUEUE_FULL', message: /, received 6 more$/ })
    assert.equal(small.stats().refused, 8)
    idle(small)
    await small.dispose()
  })

  test('many prompts of one call are no leak to Node', async () => {
    const prompts = Array.from({ length: 16 }, (_, i) => [5 + i])
    assert.deepEqual(await warningsOf(() => model.generateIds(prompts, { maxNewTokens: 2 })), [])
  })

  test('what does not fit is refused with the numbers: context at load, prompt at the call', async () => {
    const load = (serving, more) => loadModel(folder, { threads: 1, serving, ...more })
    await assert.rejects(load({ cache: '100kB', context: 256 }), {
      code: 'ERR_OUT_OF_MEMORY',
      message: /cache of 100000 bytes holds 192 positions of 512 bytes: .* one sequence of 256/,
      hint: /at least 131072 bytes/,
    })
    await assert.rejects(load({ context: 257 }), { code: 'ERR_CONTEXT', message: /at most 256 positions/ })
    await assert.rejects(load({ cach: 1 }), { code: 'ERR_CONFIG', hint: /cache/ })
    await assert.rejects(load(true, { dtype: 'float16' }), { code: 'ERR_DTYPE', hint: /bfloat16/ })
    const small = await load({ cache: '100kB' })
    assert.equal(small.stats().context, 192)
    await assert.rejects(small.generateIds([new Array(192).fill(1)]), {
      code: 'ERR_CONTEXT',
      message: 'Expected a prompt of 1 to 191 tokens, received 192',
      hint: /192 positions/,
    })
    const [{ ids, finish_reason }] = await small.generateIds([new Array(190).fill(1)], { stopIds: [] })
    assert.deepEqual({ length: ids.length, finish_reason }, { length: 2, finish_reason: 'length' })
    await small.dispose()
  })

  test('an abort is answered soon, leaving the loop ends the request, and a callback that throws ends its own', async () => {
    const endless = { maxNewTokens: 250, stopIds: [] }
    const stop = new AbortController()
    const reason = { name: 'the very reason' }
    const begun = new Promise((resolve) => {
      model.generateIds([[1]], { ...endless, signal: stop.signal, onToken: resolve }).catch((error) => {
        assert.equal(error, reason)
        resolve('aborted')
      })
    })
    await begun
    stop.abort(reason)
    for await (const { ids } of model.generate([1], { maxNewTokens: 250 })) if (ids.length > 0) break
    const beside = model.generateIds([[3]], { maxNewTokens: 20 })
    const thrown = new Error('mine')
    await assert.rejects(
      model.generateIds([[1]], {
        ...endless,
        onToken: () => {
          throw thrown
        },
      }),
      thrown,
    )
    await beside
    idle(model)
    await assert.rejects(model.generate([1], { signal: AbortSignal.abort(reason) }).result, reason)
  })

  test('a graft is for requests that come after it; those that run go on as they began', async () => {
    const live = await loadModel(folder, { threads: 1, serving: true })
    const ask = (onToken) => live.generateIds([[1, 5, 9, 30]], { maxNewTokens: 200, stopIds: [], onToken })
    const [before] = await ask()
    let running
    await new Promise((resolve) => {
      running = ask(resolve)
    })
    await live.graft({ base, chat }, { scale: 0.7 })
    const [after] = await ask()
    assert.deepEqual((await running)[0], before)
    assert.notDeepEqual(after.ids, before.ids)
    await live.ungraft()
    assert.deepEqual((await ask())[0], before)
    await live.dispose()
  })

  test('logits that are no numbers end their own request alone', async () => {
    const broken = await writeTinyModel(join(root, 'broken'))
    await scaleEmbeddingRow(broken, 'police', Number.NaN)
    const live = await loadModel(broken, { threads: 1, serving: true })
    const [bad, good] = await Promise.allSettled([
      live.generate('the police', { maxNewTokens: 3 }).result,
      live.generate('what is', { maxNewTokens: 3 }).result,
    ])
    assert.equal(bad.reason.code, 'ERR_NON_FINITE')
    assert.equal(good.value.ids.length, 3)
    await live.dispose()
  })

  test('dispose waits for what runs; what comes later is refused', async () => {
    const live = await loadModel(folder, { threads: 1, serving: true })
    const answer = live.generateIds([[1]], { maxNewTokens: 100, stopIds: [] })
    while (live.stats().new_tokens === 0) await sleep(0) // it may have ended before it is seen to run
    const gone = live.dispose()
    await assert.rejects(live.generateIds([[1]]), { code: 'ERR_DISPOSED' })
    await gone
    assert.equal((await answer)[0].ids.length, 100)
  })

  test('a process ends by itself when nothing is asked, in the middle of a request, and in a worker', async () => {
    const work = (then) => `(async () => {
      const model = await require('tongueforge').loadModel(${JSON.stringify(folder)}, { threads: 1, serving: true })
      const ask = (maxNewTokens) => model.generateIds([[1]], { maxNewTokens, stopIds: [] })
      console.log((await ask(4))[0].ids.length)
      ${then}
    })()`
    const worker = work('ask(250).catch(() => {}); setTimeout(() => process.exit(), 3)')
    const program = `${work('')}; new (require('node:worker_threads').Worker)(${JSON.stringify(worker)}, { eval: true })`
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], {
      cwd: clone,
      timeout: 60_000,
    })
    assert.equal(stdout, '4\n4\n')
  })
})
