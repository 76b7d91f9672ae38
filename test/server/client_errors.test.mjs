// What is no request, or does not arrive: told in the shape of all errors, by the server of Node itself.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { answerClientError } from '#lib/server/client_errors'

/** What comes back until the connection ends. */
async function sent(port, text) {
  const socket = connect(port, '127.0.0.1')
  socket.write(text)
  let answer = ''
  for await (const piece of socket.setEncoding('utf8')) answer += piece
  const [head, body] = answer.split('\r\n\r\n')
  return { head, error: JSON.parse(body).error }
}

test('a request that is none, one of too long headers and one that does not arrive are told, each with its code', async (t) => {
  const server = createServer({ headersTimeout: 50, requestTimeout: 100, connectionsCheckingInterval: 20 })
  server.on('clientError', answerClientError).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address()
  for (const [text, status, code] of [
    ['hello\r\n\r\n', 400, 'invalid_request'],
    [`GET / HTTP/1.1\r\na: ${'b'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
    ['POST / HTTP/1.1\r\nhost: a\r\ncontent-le', 408, 'request_timeout'],
  ]) {
    const { head, error } = await sent(port, text)
    assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} .*connection: close`, 's'))
    assert.match(error.message, /^Expected .*, received /)
    assert.deepEqual(
      { ...error, message: '' },
      { message: '', type: 'invalid_request_error', param: null, code },
    )
  }
})
