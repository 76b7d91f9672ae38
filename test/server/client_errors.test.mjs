// What is no request, or does not arrive: told in the shape of all errors, by the server of Node itself.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { answerClientError } from '#lib/server/client_errors'
import { Connections } from '#lib/server/connections'

/** What comes back until the connection ends; `then` is sent behind the first of it. */
async function sent(port, text, then) {
  const socket = connect(port, '127.0.0.1')
  socket.write(text)
  let answer = ''
  for await (const piece of socket.setEncoding('utf8')) {
    if (answer === '' && then) socket.write(then)
    answer += piece
  }
  return answer
}

async function listening(t, { onRequest = () => {}, ...options } = {}) {
  const server = createServer(options, onRequest)
  const connections = new Connections(server)
  const tell = (error, socket) => answerClientError(error, socket, connections.isFree(socket))
  server.on('clientError', tell).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  return server.address().port
}

test('a request that is none, one of too long headers and one that does not arrive are told, each with its code', async (t) => {
  const times = { headersTimeout: 50, requestTimeout: 100, connectionsCheckingInterval: 20 }
  const port = await listening(t, times)
  for (const [text, status, code] of [
    ['hello\r\n\r\n', 400, 'invalid_request'],
    [`GET / HTTP/1.1\r\na: ${'b'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
    ['POST / HTTP/1.1\r\nhost: a\r\ncontent-le', 408, 'request_timeout'],
    ['POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf', 408, 'request_timeout'],
    ['POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nnone', 400, 'invalid_request'],
  ]) {
    const [head, body] = (await sent(port, text)).split('\r\n\r\n')
    const { error } = JSON.parse(body)
    assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} .*connection: close`, 's'))
    assert.match(error.message, /^Expected .*, received /)
    assert.deepEqual(
      { ...error, message: '' },
      { message: '', type: 'invalid_request_error', param: null, code },
    )
  }
})

test('what is no request ends the connection without a word where an answer is under way', async (t) => {
  const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'
  const streaming = await listening(t, { onRequest: (_, answer) => answer.write('begun') })
  assert.match(await sent(streaming, request, 'hello\r\n\r\n'), /^HTTP\/1\.1 200 (?!.*HTTP\/).*begun\r\n$/s)
  const waiting = await listening(t)
  assert.equal(await sent(waiting, `${request}hello\r\n\r\n`), '')
})
