// Servers for tests: tiny models behind a real port, and the real client of OpenAI's API before it.
import { connect } from 'node:net'
import { join } from 'node:path'
import OpenAI from 'openai'
import { serve } from 'tongueforge'
import { sleep } from './stress.mjs'
import { writeTinyModel } from './tiny_model.mjs'

/** A client that asks once. */
export const clientOf = (url, options = {}) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0, ...options })

/** Starts a server on a free port. */
export const served = (options) => serve({ port: 0, ...options })

/** A tiny model that chats, in a folder below `root`. */
export const chatModel = (root, name = 'tiny', size = {}) => writeTinyModel(join(root, name), size)

/** The answer of fetch: status, headers and JSON. */
export async function asked(url, path, { body, ...init } = {}) {
  const response = await fetch(`${url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    ...init,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: parsed(text) }
}

/** Sends a request and hands over its connection. */
export function sent(url, path, body) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(requestText(path, body))
  return socket
}

/** A request as it goes over a connection. */
export function requestText(path, body) {
  const json = JSON.stringify(body)
  return (
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
    `content-length: ${Buffer.byteLength(json)}\r\n\r\n${json}`
  )
}

/** Resolves when the server has seen so many clients leave. */
export async function left(url, path, count) {
  const line = new RegExp(`^tongueforge_http_requests_total\\{route="${path}",status="499"\\} ${count}$`, 'm')
  while (!line.test((await asked(url, '/metrics')).text)) await sleep(5)
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
