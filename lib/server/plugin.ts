/** The routes as a plugin of Fastify, for a server of one's own: `app.register(tongueforge.fastify, options)`. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { z } from 'zod'
import { bytesOf } from '../config/byte_size'
import { checkConfig } from '../config/parse'
import { pluginSchema } from '../config/serve'
import type { Delta } from '../verbs/live/deltas'
import type { LoadOptions } from '../verbs/load_options'
import { keyCheck } from './access'
import { strictBodies } from './bodies'
import type { Context } from './context'
import { Door } from './door'
import { errorBody, toRequestError } from './errors'
import { Grafts } from './grafts'
import { Metrics } from './metrics'
import { type ModelLike, ServedModels } from './models'
import { chatRoute } from './routes/chat'
import { completionsRoute } from './routes/completions'
import { embeddingsRoute } from './routes/embeddings'
import { graftRoutes } from './routes/graft'
import { healthRoute } from './routes/health'
import { metricsRoute } from './routes/metrics'
import { modelRoutes } from './routes/models'

/** Which models the routes answer with, and who may ask. */
export interface PluginOptions extends z.input<typeof pluginSchema> {
  /** Models by the name that requests give: folders, or models that are loaded. */
  models: Readonly<Record<string, ModelLike>>
  /** Chat vectors by the name under which clients may put them on a model. Default: none. */
  deltas?: Readonly<Record<string, Delta>> | undefined
  /** How folders are loaded; `serving` is on. */
  load?: LoadOptions | undefined
  /** Ends requests that still run, when a close has waited long enough. */
  signal?: AbortSignal | undefined
}

const ROUTES = [
  healthRoute,
  metricsRoute,
  modelRoutes,
  graftRoutes,
  chatRoute,
  completionsRoute,
  embeddingsRoute,
]

/** Adds the routes of OpenAI's API to a server of Fastify 5. Loads models that are folders, and frees them at its close. */
export async function fastify(
  app: FastifyInstance,
  options: PluginOptions & { prefix?: string },
): Promise<void> {
  const { models: given, deltas = {}, load = {}, signal, prefix: _, ...rest } = options
  const settings = checkConfig(pluginSchema, rest, 'fastify')
  const grafts = new Grafts(deltas)
  const models = await ServedModels.open(given, load)
  const metrics = new Metrics(models)
  const running = new Set<AbortController>()
  const endAll = () => {
    for (const end of running) end.abort(signal?.reason)
  }
  signal?.addEventListener('abort', endAll, { once: true })
  const context: Context = { models, settings, metrics, grafts, enough: signal, running }
  await app.register(async (scope) => {
    scope.setErrorHandler(answerError)
    scope.removeContentTypeParser('text/plain') // a page of another origin may send that without being asked
    strictBodies(scope)
    scope.addHook('onRoute', (route) => {
      route.bodyLimit ??= bytesOf(settings.bodyLimit)
    })
    scope.addHook('onRequest', metrics.watch)
    const door = new Door(app, scope)
    app.addHook('onClose', async () => {
      await door.emptied()
      await models.dispose()
    })
    if (settings.apiKey !== undefined) scope.addHook('onRequest', keyCheck([settings.apiKey].flat()))
    for (const route of ROUTES) route(scope, context)
  })
}

/** Seconds after which a client may try again where the queue is full. */
const RETRY_AFTER = '1'

export function answerError(thrown: unknown, _request: unknown, reply: FastifyReply): FastifyReply {
  const error = toRequestError(thrown)
  if (error.status === 503) reply.header('retry-after', RETRY_AFTER)
  return reply.status(error.status).send(errorBody(error))
}
