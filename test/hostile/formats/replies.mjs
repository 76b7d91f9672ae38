// What endpoints answer that we ask: a judge, a scorer. Each row runs against a server of its own on this machine.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { judgeSchema } from '#lib/config/judge'
import { scorersSchema } from '#lib/config/scorers'
import { JudgeClient } from '#lib/verbs/judging/client'
import { MAX_REPLY_BYTES } from '#lib/verbs/requesting/reply'
import { EndpointScorer, endpointOf } from '#lib/verbs/scoring/endpoint'

// ---- who asks ----

const judgeAt = (url, timeout) =>
  JudgeClient.open(judgeSchema.parse({ model: 'stub', url, timeout, retries: 0 }), 'config').ask(
    [{ role: 'user', content: 'hello' }],
    { signal: new AbortController().signal },
  )
const scorerAt = (url, timeout) => {
  const context = { name: 'toxicity', scorer: scorersSchema.parse({ url, timeout, retries: 0 }) }
  return new EndpointScorer(endpointOf(context, 'config'), context).score(['a text', 'another'], {})
}

/** By the folder of the case. */
const servers = new Map()
const urlOf = (folder) => `http://127.0.0.1:${servers.get(folder).address().port}/v1`

/** A row: `answer(socket)` writes what a request is answered, to the byte. */
const row = (asker, name, answer, more = {}) => ({
  name: `${asker === judgeAt ? 'judge' : 'scorer'}: ${name}`,
  async prepare(folder) {
    const server = createServer((socket) => {
      socket.on('error', () => {}) // the other side may leave in the middle
      socket.once('data', () => answer(socket))
    })
    servers.set(folder, server.listen(0, '127.0.0.1'))
    await once(server, 'listening')
  },
  call: (folder) => asker(urlOf(folder), more.timeout ?? 10),
  after: (folder) => servers.get(folder)?.close(),
  ...more,
})
const judge = (name, answer, says = [], more = {}) =>
  row(judgeAt, name, answer, { code: 'ERR_JUDGE', says: ['http://127.0.0.1', ...says], ...more })
const scorer = (name, answer, says = [], more = {}) =>
  row(scorerAt, name, answer, { code: 'ERR_SCORER', says: ['http://127.0.0.1', ...says], ...more })
const both = (...given) => [judge(...given), scorer(...given)]

// ---- what comes ----

const head = (headers = {}, status = '200 OK') =>
  [`HTTP/1.1 ${status}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), '', ''].join(
    '\r\n',
  )
const JSON_TYPE = { 'content-type': 'application/json' }
/** A reply of this body. */
const reply =
  (body, headers = JSON_TYPE, status) =>
  (socket) => {
    const bytes = Buffer.from(body)
    socket.end(
      Buffer.concat([Buffer.from(head({ ...headers, 'content-length': bytes.length }, status)), bytes]),
    )
  }
/** This again and again behind a head, until the other side leaves. */
const endless = (start, piece) => (socket) => {
  const go = () => {
    while (!socket.destroyed && socket.write(piece));
  }
  socket.on('drain', go).write(start)
  go()
}
/** A little now and then: never late by the clock of an idle connection. */
const dripping = (start, piece) => (socket) => {
  socket.write(start)
  const timer = setInterval(() => socket.write(piece), 10)
  socket.on('close', () => clearInterval(timer))
}
const chunk = (text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
const CHUNKED = head({ ...JSON_TYPE, 'transfer-encoding': 'chunked' })
const blanks = chunk(' '.repeat(1 << 16))

const completion = (content = 'Rating: [[5]]', more = {}) =>
  JSON.stringify({ choices: [{ message: { content }, finish_reason: 'stop' }], ...more })
const scores = (...given) => JSON.stringify({ scores: given })
const nested = (levels) => `${'['.repeat(levels)}${']'.repeat(levels)}`

// A stream of many members unpacks as their sum: a gigabyte of blanks in a megabyte.
const member = gzipSync(Buffer.alloc(1 << 20, 32), { level: 9 })
const packed = (encoding, bytes) => reply(bytes, { ...JSON_TYPE, 'content-encoding': encoding })
const bombs = () => ({
  gzip: Buffer.concat(Array(1000).fill(member)),
  deflate: deflateSync(Buffer.alloc(16 << 20, 32), { level: 9 }),
  br: brotliCompressSync(Buffer.alloc(16 << 20, 32)),
})

const TOO_LONG = [`more than ${MAX_REPLY_BYTES} bytes`]
const SHORT = { timeout: 0.2 }
/** Both sides of a connection with megabytes run in this process. */
const LONG = { limits: { cpuMs: 300 } }

const unbounded = () => [
  ...both('a reply without end', endless(CHUNKED, blanks), TOO_LONG, LONG),
  ...both(
    'a reply of a terabyte',
    endless(head({ ...JSON_TYPE, 'content-length': 1e12 }), ' '.repeat(1 << 16)),
    TOO_LONG,
    LONG,
  ),
  ...both('one byte more than may be', reply(scores(1, 2).padEnd(MAX_REPLY_BYTES + 1)), TOO_LONG, LONG),
  ...both('a reply that drips', dripping(CHUNKED, chunk(' ')), ['no end after 0.2 seconds'], SHORT),
  ...both(
    'headers that drip',
    dripping('HTTP/1.1 200 OK\r\n', 'a: b\r\n'),
    ['nothing in 0.2 seconds'],
    SHORT,
  ),
  ...both('no answer', () => {}, ['nothing in 0.2 seconds'], SHORT),
  ...both('headers without end', endless('HTTP/1.1 200 OK\r\n', 'a: b\r\n'.repeat(1000)), ['no connection']),
  ...Object.entries(bombs()).flatMap(([encoding, bytes]) =>
    both(
      `a reply that unpacks to a thousand times its size, by ${encoding}`,
      packed(encoding, bytes),
      [...TOO_LONG, encoding],
      LONG,
    ),
  ),
  ...both(
    'a refusal without end',
    endless(head({ 'transfer-encoding': 'chunked' }, '401 Unauthorized'), blanks),
    ['401'],
  ),
  judge(
    'a text that is packed twice',
    packed('gzip, gzip', gzipSync(gzipSync(Buffer.alloc(8 << 20)))),
    TOO_LONG,
    LONG,
  ),
]

const wrong = () => [
  ...both('a page', reply('<!DOCTYPE html><title>Sign in</title>', { 'content-type': 'text/html' }), [
    'text/html',
  ]),
  ...both('a stream of events', reply('data: {"choices": []}\n\n', { 'content-type': 'text/event-stream' }), [
    'text/event-stream',
  ]),
  ...both('nothing at all', reply(''), ['received a reply']),
  ...both('no HTTP', (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'), ['no connection']),
  ...both('a connection that closes', (socket) => socket.destroy(), ['no connection']),
  ...both(
    'a reply that breaks off',
    (socket) => socket.end(`${head({ ...JSON_TYPE, 'content-length': 1000 })}{"choices":`),
    ['broke off'],
  ),
  ...both('a chunk of no size', (socket) => socket.end(`${CHUNKED}zz\r\n{}`), ['broke off']),
  ...both('no gzip', packed('gzip', Buffer.from('hello')), ['broke off']),
  ...both('no UTF-8', reply(Buffer.from([0x22, 0xff, 0xfe, 0x22])), ['no UTF-8']),
  ...both('JSON cut off', reply('{"choices": [{"mess'), ['choices']),
  ...both('lists in lists', reply(nested(100_000)), ['[[[[']),
  ...both('a redirect', reply('', { location: 'http://169.254.169.254/latest/' }, '302 Found'), [
    '302: a redirect to http://169.254.169.254/latest/',
  ]),
  ...both('a redirect to a file', reply('', { location: 'file:///etc/passwd' }, '307 Temporary Redirect'), [
    'file:///etc/passwd',
  ]),
  ...both('control characters', reply('\u001b[2J\u001b[31m gone', JSON_TYPE, '404 Not Found'), ['\\x1b[2J']),
  judge('no choices', reply('{"choices": []}'), ['no chat completion']),
  judge('a reply that is a number', reply('{"choices": [{"message": {"content": 5}}]}'), [
    'no chat completion',
  ]),
  judge(
    'a usage that is a hundred thousand lists',
    reply(completion('5', { usage: null }).replace('null', `{"a":${nested(100_000)}}`)),
    ['no chat completion'],
  ),
  scorer('a score too few', reply(scores(1)), ['a score for each text']),
  scorer('a score too many', reply(scores(1, 2, 3)), ['a score for each text']),
  scorer('scores as texts', reply('{"scores": ["1", "2"]}'), ['a score for each text']),
  scorer('a score beyond all numbers', reply('{"scores": [1, 1e999]}'), ['a score for each text']),
]

const taken = () => [
  row(judgeAt, 'well-formed: a completion', reply(completion())),
  row(judgeAt, 'well-formed: a completion of 3 MB', reply(completion('x'.repeat(3 << 20))), LONG),
  row(judgeAt, 'well-formed: packed', packed('gzip', gzipSync(completion()))),
  row(
    judgeAt,
    'well-formed: more keys, and another type',
    reply(completion('5', { id: 1, usage: { a: { b: [1] } } }), { 'content-type': 'text/plain' }),
  ),
  row(scorerAt, 'well-formed: two scores', reply(scores(0.1, 1e-300))),
  row(scorerAt, 'well-formed: as long as may be', reply(scores(1, 2).padEnd(MAX_REPLY_BYTES)), LONG),
]

export const replies = () => [...unbounded(), ...wrong(), ...taken()]
