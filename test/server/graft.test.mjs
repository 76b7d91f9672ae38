// Chat vectors put on and taken off over HTTP, and the page that does so.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { extractDelta, loadModel } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { asked, chatModel, served } from '../helpers/served.mjs'

describe('a chat vector over HTTP', () => {
  const root = temporaryFolder()
  let [server, alone, delta] = []
  before(async () => {
    const [target, base, chat] = await Promise.all(
      [1, 2, 3].map((seed) => chatModel(root, `m${seed}`, { seed })),
    )
    delta = join(root, 'manners')
    await extractDelta({ base, chat, out: delta })
    alone = await loadModel(target, { threads: 1, serving: true })
    const wide = await chatModel(root, 'wide', { width: 64 })
    server = await served({
      models: { tiny: target, wide },
      load: { threads: 1 },
      deltas: { manners: { base, chat } },
    })
  })
  after(async () => {
    await server.close()
    await alone.dispose()
  })
  const put = (body, method = 'PUT', id = 'tiny') =>
    asked(server.url, `/v1/models/${id}/graft`, { body, method })
  const prompt = [1, 5, 9, 30]
  const says = async () => {
    const { json } = await asked(server.url, '/v1/completions', {
      body: { prompt, model: 'tiny', temperature: 0, logprobs: 0 },
    })
    return json.choices[0].logprobs.token_logprobs
  }
  const saysAlone = async () =>
    (await alone.generate(prompt, { maxNewTokens: 16, logprobs: 0 }).result).logprobs.map(
      ({ logprob }) => logprob,
    )

  test('is that of the library, for requests after it, and comes off again', async () => {
    const plain = await saysAlone()
    assert.deepEqual(await says(), plain)
    const { status, json } = await put({ delta: 'manners', scale: 0.5 })
    assert.equal(status, 200)
    assert.deepEqual([json.id, json.graft], ['tiny', { delta: 'manners', scale: 0.5 }])
    assert.ok(json.tensors_changed > 0)
    await alone.graft(delta, { scale: 0.5, force: true })
    const grafted = await saysAlone()
    assert.notDeepEqual(grafted, plain)
    assert.deepEqual(await says(), grafted)
    const { json: model } = await asked(server.url, '/v1/models/tiny')
    assert.deepEqual([model.deltas, model.graft], [['manners'], { delta: 'manners', scale: 0.5 }])
    assert.equal((await put(undefined, 'DELETE')).json.graft, null)
    assert.deepEqual(await says(), plain)
  })

  test('is one that the server names, on a model that it serves, at a scale within reason', async () => {
    const told = async (answer) => {
      const { status, json } = await answer
      return [status, json.error.code, json.error.param]
    }
    assert.deepEqual(await told(put({ delta })), [404, 'delta_not_found', 'delta'])
    assert.deepEqual(await told(put({ delta: '__proto__' })), [404, 'delta_not_found', 'delta'])
    assert.deepEqual(await told(put({ delta: 'manners', scale: 99 })), [400, 'invalid_value', 'scale'])
    assert.deepEqual(await told(put({ delta: 'manners' }, 'PUT', 'wide')), [400, 'unsuitable_delta', 'delta'])
    assert.deepEqual(await told(put({ delta: 'manners' }, 'PUT', 'none')), [404, 'model_not_found', 'model'])
  })

  test('of several models a request has to name one', async () => {
    const { status, json } = await asked(server.url, '/v1/completions', { body: { prompt } })
    assert.deepEqual([status, json.error.code, json.error.param], [400, 'missing_model', 'model'])
    assert.equal(json.error.message, "model: expected one of 'tiny', 'wide', received nothing")
  })

  test('has a page, which needs nothing from elsewhere and runs no script but its own', async () => {
    const { status, headers, text } = await asked(server.url, '/')
    assert.equal(status, 200)
    assert.match(
      headers.get('content-security-policy'),
      /^default-src 'none'; script-src 'self'; style-src 'self'/,
    )
    assert.doesNotMatch(text, /https?:|<script>|<style>| style=| on\w+=/)
    for (const [file, type] of [
      ['page.js', 'text/javascript'],
      ['page.css', 'text/css'],
    ]) {
      const answer = await asked(server.url, `/${file}`)
      assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, `${type}; charset=utf-8`])
      assert.doesNotMatch(answer.text, /https?:|@import|require\(|sourceMappingURL/)
    }
  })
})
