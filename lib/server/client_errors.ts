/** Answers to what is no request, before there is one: neither routes nor hooks hear of it. */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { errorBody, RequestError } from './errors'

const REASONS: Record<string, RequestError> = {
  HPE_HEADER_OVERFLOW: new RequestError('Expected headers of at most 16 KB together, received more', {
    status: 431,
    code: 'headers_too_large',
  }),
  ERR_HTTP_REQUEST_TIMEOUT: new RequestError('Expected a whole request in time, received a part of one', {
    status: 408,
    code: 'request_timeout',
  }),
}
const NO_REQUEST = new RequestError('Expected a request of HTTP/1.1, received something else', {
  status: 400,
  code: 'invalid_request',
})

/**
 * What the parser of HTTP refuses is told in the shape of all errors where the connection is free for it, and the connection
 * ends.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket, isFree: boolean): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const told = REASONS[error.code ?? ''] ?? NO_REQUEST
  const body = JSON.stringify(errorBody(told))
  const head = [
    `HTTP/1.1 ${told.status} ${STATUS_CODES[told.status]}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'content-type: application/json; charset=utf-8',
    'connection: close',
  ]
  if (isFree && socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroy(error)
}
