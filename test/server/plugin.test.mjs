// The routes in a Fastify server of somebody's own, and who may ask.
import assert from 'node:assert/strict'
import { get } from 'node:http'
import { createRequire } from 'node:module'
import { json } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { loadModel, fastify as routes } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { asked, chatModel, clientOf, served } from '../helpers/served.mjs'

const { fastify } = createRequire(import.meta.url)('fastify')

describe('the plugin', () => {
  const root = temporaryFolder()
  let folder
  before(async () => {
    folder = await chatModel(root)
  })

  test('answers below a prefix, and leaves the rest of the server alone', async () => {
    const app = fastify()
    app.setErrorHandler((_error, _request, reply) => reply.status(500).send('mine'))
    app.get('/own', async () => {
      throw new Error('mine')
    })
    app.register(routes, { prefix: '/llm', models: { tiny: folder }, load: { threads: 1 }, apiKey: 'secret' })
    const url = await app.listen({ port: 0 })
    const client = clientOf(`${url}/llm`, { apiKey: 'secret' })
    const { choices } = await client.completions.create({ model: 'tiny', prompt: 'the', max_tokens: 3 })
    assert.equal(choices.length, 1)
    assert.equal((await asked(url, '/own')).text, 'mine')
    assert.equal((await asked(url, '/llm/health')).status, 200)
    assert.equal((await asked(url, '/llm/v1/models')).json.error.code, 'missing_api_key')
    assert.equal((await asked(url, '/v1/models')).status, 404)
    assert.equal((await app.inject('/llm/health')).statusCode, 200)
    await app.close()
  })

  test('refuses a model that does not serve, and options that it does not know', async () => {
    const model = await loadModel(folder, { threads: 1 })
    const ready = (options) => fastify().register(routes, options).ready()
    await assert.rejects(ready({ models: { model } }), { code: 'ERR_USAGE', hint: /serving: true/ })
    await assert.rejects(ready({ models: {}, bodyLimits: 5 }), {
      code: 'ERR_CONFIG',
      message: 'fastify: bodyLimits: unknown key',
      hint: "Did you mean 'bodyLimit'?",
    })
    await model.dispose()
  })
})

describe('who may ask', () => {
  const root = temporaryFolder()
  let model
  const servers = []
  const start = async (options) => {
    const server = await served({ models: { tiny: model }, ...options })
    servers.push(server)
    return server.url
  }
  before(async () => {
    model = await loadModel(await chatModel(root), { threads: 1, serving: true })
  })
  after(async () => {
    for (const server of servers) await server.close()
    await model.dispose()
  })

  test('one of the keys opens all, none opens health alone', async () => {
    const url = await start({ apiKey: ['one', 'two'] })
    const status = async (path, key) =>
      (await asked(url, path, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } }))
        .status
    for (const path of ['/v1/models', '/metrics']) {
      assert.deepEqual(
        [await status(path, 'one'), await status(path, 'two'), await status(path, 'tw'), await status(path)],
        [200, 200, 401, 401],
      )
    }
    assert.equal(await status('/health'), 200)
    await assert.rejects(clientOf(url, { apiKey: 'three' }).models.list(), {
      name: 'Error',
      status: 401,
      type: 'authentication_error',
      code: 'invalid_api_key',
    })
  })

  test('a page that gives its own name the address of this machine may not, unless it knows a key', async () => {
    const answer = (url, host, headers = {}) =>
      new Promise((done, failed) => {
        const { port } = new URL(url)
        const options = { port, host: '127.0.0.1', path: '/v1/models', headers: { host, ...headers } }
        const hear = async (response) => done({ status: response.statusCode, ...(await json(response)) })
        get(options, hear).on('error', failed)
      })
    const status = async (...request) => (await answer(...request)).status
    const open = await start({})
    for (const host of ['localhost:8080', 'LocalHost', 'localhost.:8080', '127.0.0.1', '[::1]:8080'])
      assert.equal(await status(open, host), 200)
    for (const host of ['evil.example', 'localhost.evil.example', 'localhost..']) {
      const { status, error } = await answer(open, host)
      assert.deepEqual([status, error.code], [403, 'forbidden_host'])
      assert.match(error.message, new RegExp(`to '${host}'$`))
    }
    const authorization = 'Bearer one'
    assert.equal(await status(await start({ apiKey: 'one' }), 'evil.example', { authorization }), 200)
  })

  test('pages of other origins may not, unless they are named', async () => {
    const origin = 'https://app.example'
    const allowed = async (url, from) => {
      const headers = { origin: from, 'access-control-request-method': 'POST' }
      const answer = await fetch(`${url}/v1/chat/completions`, { method: 'OPTIONS', headers })
      return answer.headers.get('access-control-allow-origin')
    }
    assert.equal(await allowed(await start({}), origin), null)
    const named = await start({ cors: [origin] })
    assert.deepEqual(
      [await allowed(named, origin), await allowed(named, 'https://evil.example')],
      [origin, null],
    )
    assert.equal(await allowed(await start({ cors: ['*'] }), origin), '*')
  })

  test('pages that are named may ask by every method that a route has', async () => {
    const methods = new Set()
    const app = fastify()
    app.addHook('onRoute', ({ method }) => {
      for (const one of [method].flat()) methods.add(one)
    })
    await app.register(routes, { models: { tiny: model } }).ready()
    await app.close()
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) assert.ok(methods.has(method), method)
    const origin = 'https://app.example'
    const url = await start({ cors: [origin] })
    for (const method of methods) {
      const { headers } = await fetch(`${url}/v1/models/tiny/graft`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': method },
      })
      const allowed = headers.get('access-control-allow-methods')
      assert.ok(allowed.split(/, */).includes(method), `${method}: ${allowed}`)
      assert.equal(headers.get('access-control-allow-origin'), origin)
    }
  })

  test('a port that is taken is told, and options are checked', async () => {
    const url = await start({})
    const port = Number(new URL(url).port)
    assert.equal(new URL(url).hostname, '127.0.0.1')
    await assert.rejects(served({ models: { tiny: model }, port }), {
      code: 'ERR_IO',
      message: new RegExp(`127.0.0.1:${port}: cannot listen there`),
      hint: /choose another port/,
    })
    await assert.rejects(served({ models: { tiny: model }, port: 70000 }), {
      code: 'ERR_CONFIG',
      message: /port/,
    })
  })
})
