// Requests to our server, to the byte: bodies, headers, request lines. One server stands for all rows.

import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { gzipSync } from 'node:zlib'
import { TongueforgeError } from 'tongueforge'
import { chatModel, served } from '../../helpers/served.mjs'

const BODY_LIMIT = 1_000_000
let server
const started = () => {
  server ??= (async () => {
    const root = mkdtempSync(join(tmpdir(), 'tongueforge-hostile-server-'))
    const { url, close } = await served({ models: { tiny: await chatModel(root) }, load: { threads: 1 } })
    return { url: new URL(url), close: () => close().then(() => rmSync(root, { recursive: true })) }
  })()
  return server
}
after(async () => server && (await server).close())

/** Sends these bytes and throws what the server answers, in the shape of the errors of the library. */
const send = (bytes) => async () => {
  const { url } = await started()
  const answer = await exchanged(url, bytes(url))
  const [, status] = /^HTTP\/1\.1 (\d+) /.exec(answer) ?? []
  if (status === undefined)
    throw new TongueforgeError('closed', 'the server closed without an answer, as expected')
  if (status < 400) return
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4)
  // Node itself has no words: of a request without a host, and of expectations.
  if (!body.includes('{')) throw new TongueforgeError(`http_${status}`, `${status}, as expected`)
  const { error } = JSON.parse(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1))
  for (const key of ['message', 'type', 'param', 'code'])
    if (!(key in error)) throw new Error(`the answer lacks error.${key}: ${body.slice(0, 300)}`)
  throw new TongueforgeError(error.code ?? 'none', `${status} ${error.param ?? ''}: ${error.message}`, {
    hint: 'clients have the message alone',
  })
}

/** All that comes until the other side, or the end of the answer's JSON, ends it. */
function exchanged({ hostname, port }, pieces) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port })
    let answer = ''
    socket.setEncoding('utf8').on('data', (text) => {
      answer += text
    })
    socket.on('error', (error) => (/ECONNRESET|EPIPE/.test(error.code) ? resolve(answer) : reject(error)))
    socket.on('close', () => resolve(answer))
    const write = () => {
      for (let piece = pieces.next(); !piece.done; piece = pieces.next())
        if (socket.destroyed || !socket.write(piece.value)) return
    }
    socket.on('drain', write)
    write()
  })
}

/** A request of this body and these headers; later ones of a name win, undefined leaves one out. */
const request = (body, headers = {}, line = 'POST /v1/chat/completions HTTP/1.1') =>
  function* ({ host }) {
    const bytes = Buffer.from(body)
    const all = {
      host,
      connection: 'close',
      'content-type': 'application/json',
      'content-length': bytes.length,
      ...headers,
    }
    const lines = Object.entries(all).flatMap(([name, value]) =>
      value === undefined ? [] : [value].flat().map((one) => `${name}: ${one}`),
    )
    yield `${[line, ...lines].join('\r\n')}\r\n\r\n`
    yield bytes
  }
const get = (path, headers = {}) =>
  request('', { 'content-type': undefined, 'content-length': undefined, ...headers }, `GET ${path} HTTP/1.1`)
const raw = (...texts) =>
  function* () {
    yield* texts
  }

const row = (name, bytes, code, says = [], more = {}) => ({
  name,
  prepare: started,
  call: send(bytes),
  large: true,
  code,
  says,
  ...more,
})
const messages = [{ role: 'user', content: 'what ?' }]
const chat = (keys = {}) => JSON.stringify({ model: 'tiny', messages, max_tokens: 2, ...keys })
const body = (name, text, code = 'invalid_request', says = ['400']) =>
  row(`a body: ${name}`, request(text), code, says)
/** The text of a body in which one value is written as it stands. */
const withText = (key, text) => `${chat({ [key]: undefined }).slice(0, -1)},"${key}":${text}}`
const nested = (levels) => `${'['.repeat(levels)}${']'.repeat(levels)}`
const inObjects = (levels) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

const texts = () =>
  Object.entries({
    nothing: '',
    'cut short': chat().slice(0, 30),
    'two of them': `${chat()}${chat()}`,
    'a comma at the end': chat().replace(/}$/, ',}'),
    'a comment': `/* */${chat()}`,
    NaN: withText('temperature', 'NaN'),
    'a leading zero': withText('temperature', '00'),
    'in UTF-16': Buffer.from(chat(), 'utf16le'),
    'a raw line end in a text': chat().replace('what ?', 'what\n?'),
    __proto__: '{"__proto__":{"a":1}}',
    '__proto__ by an escape': '{"\\u005f_proto__":{"a":1}}',
    'constructor.prototype': '{"constructor":{"prototype":{"a":1}}}',
    'five hundred thousand lists, not closed': '['.repeat(500_000),
  }).map(([name, text]) => body(name, text))

/** Rows of a body that holds a value which is nested without reason. */
const deep = ([name, bodyOf]) =>
  Object.entries({
    'four hundred thousand lists': nested(400_000),
    'a hundred thousand tables': inObjects(100_000),
    '65 lists': nested(65),
  }).map(([what, text]) =>
    row(`${name} ${what}`, request(bodyOf(text)), 'invalid_request', ['400', 'levels of nesting']),
  )

const keys = (count) =>
  JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i])))

const shapes = () => [
  body('1,001 keys', keys(1001), 'invalid_request', ['at most 1000 keys']),
  body('sixty thousand keys', keys(60_000), 'invalid_request', ['at most 20000 keys']),
  ...Object.entries({
    'a list': '[]',
    null: 'null',
    'a number': '5',
    'a text': '"x"',
    'no keys': '{}',
    'a thousand unknown keys': keys(1000),
    'a key of 900,000 letters': `{"${'k'.repeat(900_000)}":1}`,
    'a key of control characters': '{"\\u001b[2J":1}',
  }).map(([name, text]) => body(name, text, 'invalid_value')),
  ...deep(['a body of', (text) => text]),
  // Every key that a request may have, with what would end a stack.
  ...[
    ...['messages', 'model', 'temperature', 'stop', 'tools', 'logit_bias', 'response_format'],
    ...['stream_options', 'max_tokens', 'unknown', 'metadata', 'user'],
  ].flatMap((key) => deep([`${key} of`, (text) => withText(key, text)])),
  ...deep(['a message of', (text) => withText('messages', `[{"role":"user","content":${text}}]`)]),
  ...deep([
    'a message with a key of',
    (text) => withText('messages', `[{"role":"user","content":"x","more":${text}}]`),
  ]),
  row(
    '30,000 messages',
    request(chat({ messages: Array(30_000).fill({ role: 'user', content: 'x' }) })),
    'invalid_request',
    ['keys in all'],
  ),
  row('30,000 messages of no role', request(chat({ messages: Array(30_000).fill({}) })), 'invalid_value', [
    '400 messages',
  ]),
  row(
    'a prompt of 225,000 words',
    request(chat({ messages: [{ role: 'user', content: 'the '.repeat(225_000) }] })),
    ['context_length_exceeded', 'invalid_messages'],
    ['400'],
    { limits: { cpuMs: 600, rssBytes: 160 << 20 } }, // all of it becomes tokens before they are counted
  ),
  row('100,000 words that end it', request(chat({ stop: Array(100_000).fill('a') })), 'invalid_value', [
    'stop',
  ]),
  row('a temperature of 1e999', request(withText('temperature', '1e999')), 'invalid_value', ['temperature']),
  row('tokens of 2^60', request(withText('max_tokens', '1152921504606846976')), 'invalid_value', [
    'max_tokens',
  ]),
  row('a model of control characters', request(chat({ model: '\u001b[2J\u0000' })), 'model_not_found', [
    '404',
  ]),
  row('a model that is a path', request(chat({ model: '../../etc/passwd' })), 'model_not_found', ['404']),
  row('a model of 900,000 letters', request(chat({ model: 'm'.repeat(900_000) })), 'model_not_found', [
    '404',
  ]),
  row('a model named __proto__', request(chat({ model: '__proto__' })), 'model_not_found', ['404']),
  row('a model named constructor', request(chat({ model: 'constructor' })), 'model_not_found', ['404']),
]

const lengths = () => [
  row('a body of one byte more than may be', request(chat().padEnd(BODY_LIMIT + 1)), 'body_too_large', [
    '413',
  ]),
  row('a body that says a terabyte', request('', { 'content-length': 1e12 }), 'body_too_large', ['413']),
  row(
    'a body in pieces without end',
    function* ({ host }) {
      yield `POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`
      for (let i = 0; i < 200; i++) yield `10000\r\n${' '.repeat(1 << 16)}\r\n`
    },
    ['body_too_large', 'closed'],
  ),
  row('a body that is packed', request(gzipSync(chat()), { 'content-encoding': 'gzip' }), 'invalid_request', [
    '400',
  ]),
  row('a length of -1', request('{}', { 'content-length': -1 }), 'invalid_request', ['400']),
  row('a length that is a text', request('{}', { 'content-length': 'two' }), 'invalid_request', ['400']),
  row('two lengths', request('{}', { 'content-length': [2, 3] }), 'invalid_request', ['400']),
  row(
    'a length beside pieces',
    request('0\r\n\r\n', { 'content-length': 5, 'transfer-encoding': 'chunked' }),
    'invalid_request',
    ['400'],
  ),
  row(
    'a piece of no size',
    request('zz\r\n{}\r\n', { 'content-length': undefined, 'transfer-encoding': 'chunked' }),
    ['invalid_request', 'closed'],
  ),
  row(
    'an unknown coding',
    request('{}', { 'content-length': undefined, 'transfer-encoding': 'banana' }),
    'invalid_request',
    ['400'],
  ),
]

const heads = () => [
  row('a header of 100 kB', get('/v1/models', { 'x-a': 'a'.repeat(100_000) }), 'headers_too_large', ['431']),
  row(
    'a key of 100 kB',
    get('/v1/models', { authorization: `Bearer ${'a'.repeat(100_000)}` }),
    'headers_too_large',
    ['431'],
  ),
  row(
    'ten thousand headers',
    get('/v1/models', Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`x-${i}`, 1]))),
    'headers_too_large',
    ['431'],
  ),
  row('a name with a blank', get('/v1/models', { 'x a': 1 }), 'invalid_request', ['400']),
  row('a value with NUL', get('/v1/models', { 'x-a': 'a\u0000b' }), 'invalid_request', ['400']),
  row('a line folded', get('/v1/models', { 'x-a': 'a\n b' }), 'invalid_request', ['400']),
  row('no host', get('/v1/models', { host: undefined }), 'http_400'),
  row('the host of another', get('/v1/models', { host: 'evil.example' }), 'forbidden_host', [
    '403',
    'evil.example',
  ]),
  row('a host with a name in it', get('/v1/models', { host: 'localhost@evil.example' }), 'forbidden_host', [
    '403',
  ]),
  row('a host of 10,000 letters', get('/v1/models', { host: 'a'.repeat(10_000) }), 'forbidden_host', ['403']),
  ...Object.entries({
    'of text': 'text/plain',
    'of a form': 'application/x-www-form-urlencoded',
    'of files': 'multipart/form-data; boundary=x',
    'that is none': 'banana',
    'of 10,000 letters': 'a'.repeat(10_000),
  }).map(([name, type]) =>
    row(`a type ${name}`, request(chat(), { 'content-type': type }), 'invalid_request', ['415']),
  ),
  row('no type', request(chat(), { 'content-type': undefined }), 'invalid_request', ['415']),
  row('another expectation', request(chat(), { expect: 'banana' }), 'http_417'),
]

const lines = () => [
  ...Object.entries({
    'a path upwards': '/../../../etc/passwd',
    'a path upwards, escaped': '/%2e%2e/%2e%2e/etc/passwd',
    'a model upwards': '/v1/models/..%2f..%2fetc%2fpasswd',
    'a path with NUL': '/v1/models/%00',
    'a path of 10,000 letters': `/${'a'.repeat(10_000)}`,
    'a path of a script': '/<script>alert(1)</script>',
  }).map(([name, path]) => row(name, get(path), ['not_found', 'model_not_found'], ['404'])),
  row('an escape that is none', get('/v1/models/%zz'), 'invalid_request', ['400']),
  row('an escape that is no UTF-8', get('/v1/models/%ff'), 'invalid_request', ['400']),
  row('a path of 100 kB', get(`/${'a'.repeat(100_000)}`), 'headers_too_large', ['431']),
  row('an unknown method', request('', {}, 'BANANA /v1/models HTTP/1.1'), 'invalid_request', ['400']),
  row(
    'another method',
    request('', { 'content-type': undefined }, 'DELETE /v1/models HTTP/1.1'),
    'not_found',
    ['404'],
  ),
  row('version 9', request('', {}, 'GET /v1/models HTTP/9.9'), 'invalid_request', ['400']),
  row('HTTP/2 at once', raw('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), ['invalid_request', 'closed']),
  row('TLS', raw(Buffer.from('160301020001000001fc0303', 'hex'), Buffer.alloc(500, 7)), [
    'invalid_request',
    'closed',
  ]),
  row('noise', raw('\u0000\u0001\u0002hello\r\n\r\n'), ['invalid_request', 'closed']),
  row('another protocol', raw('SSH-2.0-OpenSSH_9.2\r\n\r\n'), ['invalid_request', 'closed']),
  row('a tunnel', request('', { 'content-length': undefined }, 'CONNECT evil.example:443 HTTP/1.1'), [
    'invalid_request',
    'not_found',
    'closed',
  ]),
  row(
    'a web socket',
    get('/v1/models', { connection: 'upgrade, close', upgrade: 'websocket' }),
    ['invalid_request', 'not_found', 'closed'],
    [],
    { code: undefined },
  ),
]

const good = () => [
  row('well-formed: a chat', request(chat())),
  row('well-formed: with a mark and blanks', request(`  ${chat({ stream: false })}\r\n`)),
  row('well-formed: the models', get('/v1/models')),
  row('well-formed: its health', get('/health')),
  row('well-formed: a body of 900 kB', request(chat().padEnd(900_000))),
  row(
    'well-formed: a type with a charset',
    request(chat(), { 'content-type': 'application/json; charset=utf-8' }),
  ),
]

export const requests = () => [...texts(), ...shapes(), ...lengths(), ...heads(), ...lines(), ...good()]
