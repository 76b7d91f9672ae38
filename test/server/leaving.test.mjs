// Clients that leave before the model has begun to answer them.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { loadModel, fastify as plugin } from 'tongueforge'
import { signalOf } from '#lib/server/context'
import { temporaryFolder } from '../helpers/folders.mjs'
import { chatModel, left, requestText, sent, served } from '../helpers/served.mjs'
import { sleep, withDeadline } from '../helpers/stress.mjs'

const { fastify } = createRequire(import.meta.url)('fastify')

describe('a client that leaves before anything is computed', () => {
  const root = temporaryFolder()
  let folder
  before(async () => {
    folder = await chatModel(root)
  })
  const requests = {
    '/v1/completions': { prompt: 'the police' },
    '/v1/chat/completions': { messages: [{ role: 'user', content: 'what ?' }] },
  }

  for (const [path, body] of Object.entries(requests))
    test(`while the tokenizer loads for the first ${path} ends its request`, async () => {
      const model = await loadModel(folder, { threads: 1, serving: true })
      const server = await served({ models: { tiny: model } })
      const text = model.text.bind(model)
      const socket = sent(server.url, path, { ...body, max_tokens: 200 })
      const loaded = new Promise((resolve) => {
        model.text = async () => {
          const loaded = await text()
          socket.destroy()
          await left(server.url, path, 1) // as if loading had taken longer
          model.text = text
          setImmediate(resolve)
          return loaded
        }
      })
      await withDeadline(loaded, 'the tokenizer')
      await sleep(50) // in which the request would begin
      const { running, waiting, new_tokens, ended } = model.stats()
      await server.close()
      await model.dispose()
      assert.deepEqual(
        { running, waiting, new_tokens, ended },
        { running: 0, waiting: 0, new_tokens: 0, ended: 0 },
      )
    })
})

describe('a client that pipelines and leaves', () => {
  const root = temporaryFolder()
  test('ends all its requests: nothing is computed for it, and the server closes', async () => {
    const folder = await chatModel(root)
    const model = await loadModel(folder, { threads: 1, serving: true })
    const server = await served({ models: { tiny: model }, drainSeconds: 0.5 })
    const path = '/v1/completions'
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    socket.write(requestText(path, { prompt: 'the police', max_tokens: 200 }).repeat(2))
    const inside = () => model.stats().running + model.stats().waiting
    const until = async (holds) => {
      while (!holds()) await sleep(1)
    }
    await withDeadline(
      until(() => inside() === 2),
      'the requests',
      10_000,
    )
    socket.destroy()
    await withDeadline(left(server.url, path, 2), 'both requests', 10_000)
    await withDeadline(
      until(() => inside() === 0),
      'the engine',
      10_000,
    )
    await withDeadline(server.close(), 'the close', 10_000)
    await model.dispose()
  })

  test('while a hook of the own server waits: app.close() ends', async () => {
    const app = fastify()
    let [arrived, goOn] = []
    const hooked = new Promise((resolve) => {
      arrived = resolve
    })
    const goes = new Promise((resolve) => {
      goOn = resolve
    })
    app.addHook('onRequest', async (request, reply) => {
      if (request.method !== 'POST') return
      arrived()
      await once(reply.raw, 'close')
      goOn()
    })
    await app.register(plugin, { models: { tiny: await chatModel(root, 'hooked') }, load: { threads: 1 } })
    const url = await app.listen({ port: 0 })
    const socket = sent(url, '/v1/completions', { prompt: 'the police' })
    await hooked
    socket.destroy()
    await goes
    await withDeadline(left(url, '/v1/completions', 1), 'the request', 10_000)
    await withDeadline(app.close(), 'the close', 10_000)
  })
})

describe('the signal of a request', () => {
  const app = fastify()
  const running = new Set()
  let [url, arrived, seen] = []
  before(async () => {
    app.post('/late', async (_request, reply) => {
      arrived()
      await once(reply.raw, 'close')
      seen(signalOf(reply, { running }))
      return {}
    })
    url = await app.listen({ port: 0 })
  })
  after(() => app.close())

  test('is aborted from the start where the client has left, and nobody keeps it', async () => {
    const signal = new Promise((resolve) => {
      seen = resolve
    })
    arrived = () => socket.destroy()
    const socket = sent(url, '/late', {})
    const { aborted, reason } = await withDeadline(signal, 'the signal')
    assert.deepEqual([aborted, reason?.code, running.size], [true, 'client_closed_request', 0])
  })
})
