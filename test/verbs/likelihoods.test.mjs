// Log-likelihoods of continuations through a loaded model. Native numbers are compared in test/native/score.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { loadDecoder } from 'tongueforge'
import { Random } from '#lib/text/random'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

describe('likelihoods', () => {
  let model
  before(async () => {
    const folder = join(temporaryFolder(), 'model')
    await writeTinyModel(folder)
    model = await loadDecoder(folder, { threads: 1 })
  })
  after(() => model.dispose())

  const requestsOf = (seed, count) => {
    const random = new Random(seed)
    const ids = (length) => Array.from({ length }, () => random.below(40))
    const shared = ids(30)
    return Array.from({ length: count }, () => {
      const context = random.below(2) ? [...shared, ...ids(random.below(9))] : ids(1 + random.below(60))
      return { ids: [...context, ...ids(1 + random.below(6))], firstTarget: context.length }
    })
  }

  test('they are the scores of the same rows, in whatever batches and order', async () => {
    for (const seed of [1, 2, 3]) {
      const requests = requestsOf(seed, 40)
      for (const batchTokens of [0, 1, 100]) {
        const found = await model.likelihoods(requests, { batchTokens })
        for (const [i, { ids, firstTarget }] of requests.entries()) {
          const [{ nll }] = await model.scoreIds([ids], { firstTarget })
          const difference = Math.abs(found[i].log_likelihood + nll)
          assert.ok(difference < 1e-4, `seed ${seed}, request ${i}: ${found[i].log_likelihood} and ${-nll}`)
        }
      }
      const turned = await model.likelihoods([...requests].reverse())
      assert.deepEqual(turned.reverse(), await model.likelihoods(requests), `seed ${seed}`)
    }
  })

  test('what the model itself would say is greedy, another word is not', async () => {
    const prompt = [5, 6, 7, 8]
    const [{ ids }] = await model.generateIds([prompt], { maxNewTokens: 4, stopIds: [] })
    const other = [...ids.slice(0, 3), (ids[3] + 1) % 40]
    const rows = [ids, other].map((said) => ({ ids: [...prompt, ...said], firstTarget: 4 }))
    const found = await model.likelihoods(rows)
    assert.deepEqual(
      found.map(({ is_greedy }) => is_greedy),
      [true, false],
    )
  })

  test('progress counts requests, and an aborted call rejects with the reason', async () => {
    let last
    await model.likelihoods(requestsOf(4, 30), {
      batchTokens: 1,
      onProgress: (progress) => {
        last = progress
      },
    })
    assert.deepEqual(last, { done: 30, total: 30 })
    const stop = new AbortController()
    const reason = new Error('enough')
    const onProgress = () => stop.abort(reason)
    const endless = requestsOf(5, 4000)
    await assert.rejects(
      model.likelihoods(endless, { batchTokens: 1, signal: stop.signal, onProgress }),
      (error) => error === reason,
    )
  })

  test('what is no request is refused by number', async () => {
    const good = { ids: [1, 2], firstTarget: 1 }
    const bad = (request) => model.likelihoods([good, request])
    await assert.rejects(bad({ ids: [1, 2], firstTarget: 2 }), { code: 'ERR_DATA', message: /request 1/ })
    await assert.rejects(bad({ ids: [1, 2.5], firstTarget: 1 }), { code: 'ERR_DATA', message: /2\.5/ })
    await assert.rejects(bad({ ids: [1, 1e6], firstTarget: 1 }), { code: 'ERR_DATA', message: /1000000/ })
    await assert.rejects(bad({ ids: new Array(258).fill(1), firstTarget: 1 }), {
      code: 'ERR_DATA',
      message: /at most 256 positions in request 1, received 257/,
    })
  })
})
