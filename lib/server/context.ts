/** What the routes of one plugin share. */
import type { FastifyReply } from 'fastify'
import type { PluginSettings } from '../config/serve'
import { ClientGone } from './errors'
import type { Grafts } from './grafts'
import type { Metrics } from './metrics'
import type { ServedModels } from './models'

export interface Context {
  models: ServedModels
  settings: PluginSettings
  metrics: Metrics
  grafts: Grafts
  /** Aborted when requests that still run are not waited for any longer. */
  closing: AbortSignal
}

/** Aborted when the client leaves before it has the whole answer, or when the server waits no longer. */
export function signalOf(reply: FastifyReply, { closing }: Context): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new ClientGone())
  })
  return AbortSignal.any([gone.signal, closing])
}
