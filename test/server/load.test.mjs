// A server that has more to do than it can, and one that closes while it has.
import assert from 'node:assert/strict'
import dns from 'node:dns/promises'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { loadModel } from 'tongueforge'
import { Turns } from '#lib/server/turns'
import { temporaryFolder } from '../helpers/folders.mjs'
import { asked, chatModel, clientOf, requestText, sent, served } from '../helpers/served.mjs'
import { sleep, withDeadline } from '../helpers/stress.mjs'

const isLinux = process.platform === 'linux'
const messages = [{ role: 'user', content: 'what ?' }]
const body = { messages, max_tokens: 250, temperature: 0 }

describe('a server with one place and one seat to wait', () => {
  const root = temporaryFolder()
  let model
  let server
  before(async () => {
    const folder = await chatModel(root, 'wide', { width: 384, layers: 8 }) // an answer takes far longer than the drain
    model = await loadModel(folder, { threads: 1, serving: { sequences: 1, queue: 1 } })
    server = await served({ models: { wide: model }, drainSeconds: 0.1 })
  })
  after(async () => {
    await server.close()
    await model.dispose()
  })
  const busy = async () => {
    const answers = [1, 2].map(() => clientOf(server.url).chat.completions.create(body))
    while (model.stats().running + model.stats().waiting < 2) await sleep(1)
    return answers
  }

  test('refuses one more with 503 and when to try again, streamed or not, and the client does', async () => {
    const answers = await busy()
    for (const stream of [false, true]) {
      const { status, headers, json } = await asked(server.url, '/v1/chat/completions', {
        body: { ...body, stream },
      })
      assert.deepEqual([status, headers.get('retry-after'), json.error.code], [503, '1', 'queue_full'])
      assert.equal(json.error.type, 'server_error')
      assert.match(json.error.message, /at most 2 requests at a time \(1 that run, 1 that wait\)/)
    }
    const { json: health } = await asked(server.url, '/health')
    assert.deepEqual([health.status, health.running, health.waiting], ['ok', 1, 1])
    const again = clientOf(server.url, { maxRetries: 5 }).chat.completions.create({ ...body, max_tokens: 1 })
    await Promise.all([...answers, again])
  })

  test('tells Prometheus of it', async () => {
    const { headers, text } = await asked(server.url, '/metrics')
    assert.match(headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
    const value = (line) =>
      Number(new RegExp(`^${line.replace(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1])
    assert.ok(value('tongueforge_generations_refused_total{model="wide"}') >= 2)
    assert.equal(value('tongueforge_requests_running{model="wide"}'), 0)
    assert.equal(value('tongueforge_new_tokens_total{model="wide"}'), model.stats().new_tokens)
    assert.ok(value('tongueforge_http_requests_total{route="/v1/chat/completions",status="503"}') >= 2)
    assert.equal(value('tongueforge_http_requests_total{route="/v1/chat/completions",status="200"}'), 3)
    assert.equal(value('tongueforge_first_token_seconds_count{model="wide"}'), 3)
    assert.ok(value('process_resident_memory_bytes') > 1e6)
    assert.ok(value('nodejs_eventloop_lag_p99_seconds') >= 0)
  })

  test('that closes ends what takes too long, by an event where a stream has begun', async () => {
    const stream = await clientOf(server.url).chat.completions.create({ ...body, stream: true })
    const chunks = []
    const read = async () => {
      for await (const chunk of stream) if (chunks.push(chunk) === 1) closed = server.close()
    }
    let closed
    const waits = asked(server.url, '/v1/chat/completions', { body })
    while (model.stats().waiting === 0) await sleep(1)
    await withDeadline(assert.rejects(read(), { code: 'shutting_down' }), 'the stream')
    const { status, json } = await waits
    assert.deepEqual([status, json.error.code], [503, 'shutting_down'])
    await withDeadline(closed, 'the close')
    assert.ok(chunks.length > 1)
    assert.equal(model.stats().running, 0)
    await model.generate([1], { maxNewTokens: 1 }).result // it is its user's, and not disposed of
  })
})

describe('a server that may take longer to close than a timer can wait', () => {
  const root = temporaryFolder()

  test('waits for its requests all the same', async () => {
    const folder = await chatModel(root, 'wide', { width: 384, layers: 8 })
    const model = await loadModel(folder, { threads: 1, serving: true })
    const server = await served({ models: { wide: model }, drainSeconds: 2 ** 31 / 1000 })
    const answer = asked(server.url, '/v1/chat/completions', { body: { ...body, max_tokens: 100 } })
    while (model.stats().running === 0) await sleep(1)
    await withDeadline(server.close(), 'the close')
    assert.equal((await answer).status, 200)
    await model.dispose()
  })
})

describe('a server that closes', () => {
  const root = temporaryFolder()
  let model
  before(async () => {
    model = await loadModel(await chatModel(root), { threads: 1, serving: true })
  })
  after(() => model.dispose())
  /** A server, and the close of it. */
  const closing = async (more) => {
    const server = await served({ models: { tiny: model }, drainSeconds: 0.1, ...more })
    return [server, () => withDeadline(server.close(), 'the close', 10_000)]
  }

  test('waits no longer for a client that does not read its stream', async () => {
    const [server, close] = await closing()
    const large = { ...body, n: 32, temperature: 1, stream: true, logprobs: true, top_logprobs: 20 }
    const socket = sent(server.url, '/v1/chat/completions', large).on('error', () => {})
    socket.pause()
    const inside = () => model.stats().running + model.stats().waiting
    while (inside() === 0) await sleep(1)
    while (inside() > 0) await sleep(20)
    await close()
    socket.destroy()
  })

  test('refuses a request whose body comes too late, and waits no longer for one that does not come', async () => {
    const [server, close] = await closing()
    const { hostname, port } = new URL(server.url)
    const text = requestText('/v1/chat/completions', body)
    const half = () => {
      const socket = connect(Number(port), hostname)
        .setEncoding('utf8')
        .on('error', () => {})
      socket.write(text.slice(0, -10))
      return socket
    }
    const [late, never] = [half(), half()]
    await sleep(100)
    await asked(server.url, '/health') // behind both of them
    const before = model.stats().new_tokens
    const closed = close()
    await sleep(300)
    late.write(text.slice(-10))
    let answer = ''
    for await (const piece of late) answer += piece
    assert.match(answer, /^HTTP\/1\.1 503 .*"code":"shutting_down"/s)
    await closed
    assert.equal(model.stats().new_tokens, before)
    never.destroy()
  })

  test('knows the clients of all addresses of localhost', {
    skip: !isLinux && 'has no 127.0.0.2',
  }, async (t) => {
    const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.1', '198.51.100.1'] // the last is not of this machine
    t.mock.method(dns, 'lookup', async () => addresses.map((address) => ({ address, family: 4 })))
    const [server, close] = await closing({ host: 'localhost' })
    t.after(close)
    const url = new URL(server.url)
    const ended = addresses.slice(0, 2).flatMap((address) => {
      const [idle, half] = [1, 2].map(() => connect(Number(url.port), address).on('error', () => {}))
      half.write(requestText('/v1/completions', { prompt: 'the' }).slice(0, -1))
      return [idle, half].map((socket) => once(socket, 'close'))
    })
    url.hostname = '127.0.0.2'
    assert.equal((await asked(url.origin, '/health')).json.status, 'ok')
    await sleep(100)
    await close()
    await withDeadline(Promise.all(ended), 'the connections', 1000)
  })
})

test('work beyond what may run and wait is refused, and a failure gives its place on', async () => {
  const turns = new Turns({ running: 1, waiting: 1 })
  const order = []
  const first = turns.run(async () => {
    await sleep(5)
    order.push('first')
    throw new Error('mine')
  })
  const second = turns.run(async () => order.push('second'))
  await assert.rejects(
    turns.run(() => {}),
    { status: 503, code: 'queue_full', message: /at most 1 requests/ },
  )
  await assert.rejects(first, { message: 'mine' })
  await second
  await turns.run(async () => order.push('third'))
  assert.deepEqual(order, ['first', 'second', 'third'])
})
