/** A server of its own: load -> make -> listen; then requests until it is closed. */
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import { checkIsOptions } from '../config/call_options'
import { checkConfig } from '../config/parse'
import { serveSchema } from '../config/serve'
import { timeoutOf } from '../verbs/requesting/timeout'
import { isLocal, localNamesOnly } from './access'
import { answerClientError } from './client_errors'
import { Connections } from './connections'
import { RequestError, shuttingDown } from './errors'
import { listen } from './listen'
import { answerError, fastify, type PluginOptions } from './plugin'
import { pageRoutes } from './routes/page'

export type ServeOptions = Omit<PluginOptions, 'signal'> & z.input<typeof serveSchema>

export interface Server {
  /** `http://127.0.0.1:8080` */
  url: string
  /** Takes no new requests, waits for those that run, frees the models. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Time that a request may take to arrive, from its first byte to its last. */
const ARRIVAL_MS = 60_000
/** Of all routes: unasked, the plugin lets pages of other origins read and post alone. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']
/** How often connections that have come to rest are looked for while the server closes. */
const IDLE_MS = 50
/** How long those that are ended have to take what they are told: one that does not read would be waited for without end. */
const LAST_MS = 2000

// Loaded by the first server: nobody else pays for it.
const framework = (): typeof import('fastify') => require('fastify')
const cors = (): typeof import('@fastify/cors') => require('@fastify/cors')

/** Serves models over HTTP. Throws what loadModel throws, ERR_CONFIG, and ERR_IO where it cannot listen. */
export async function serve(options: ServeOptions): Promise<Server> {
  checkIsOptions('serve', options)
  const { models, deltas, load, ...rest } = options
  const { host, port, cors: origins, drainSeconds, ...settings } = checkConfig(serveSchema, rest, 'serve')
  const app = framework().fastify({
    return503OnClosing: false,
    requestTimeout: ARRIVAL_MS,
    clientErrorHandler: (error, socket) => answerClientError(error, socket, connections.isFree(socket)),
    frameworkErrors: answerError, // of addresses
  })
  const connections = new Connections(app.server)
  const enough = new AbortController()
  app.setErrorHandler(answerError)
  if (isLocal(host) && settings.apiKey === undefined) app.addHook('onRequest', localNamesOnly)
  app.setNotFoundHandler(({ method, url }) => {
    throw new RequestError(`There is no ${method} ${url.split('?')[0]}`, { status: 404, code: 'not_found' })
  })
  if (origins) await app.register(cors(), { origin: origins.includes('*') ? '*' : origins, methods: METHODS })
  try {
    await app.register(fastify, { models, deltas, load, ...settings, signal: enough.signal })
    await app.register(pageRoutes)
    const url = await listen(app, host, port)
    let closed: Promise<void> | undefined
    const close = () => {
      closed ??= drained(app, connections, () => enough.abort(shuttingDown()), drainSeconds)
      return closed
    }
    return { url, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await app.close() // frees the models
    throw error
  }
}

/**
 * Requests that run end, or are told to after so many seconds, and soon after that their connections are cut; clients that keep
 * a connection open are not waited for.
 */
async function drained(
  app: FastifyInstance,
  connections: Connections,
  endAll: () => void,
  seconds: number,
): Promise<void> {
  let late = setTimeout(() => {
    endAll()
    late = setTimeout(() => connections.closeAll(), LAST_MS)
  }, timeoutOf(seconds))
  const idle = setInterval(() => connections.closeIdle(), IDLE_MS)
  try {
    await app.close()
  } finally {
    clearTimeout(late)
    clearInterval(idle)
  }
}
