/** What the routes of one plugin share. */
import type { FastifyReply } from 'fastify'
import type { PluginSettings } from '../config/serve'
import { ClientGone } from './errors'
import { whenGone } from './gone'
import type { Grafts } from './grafts'
import type { Metrics } from './metrics'
import type { ServedModels } from './models'

export interface Context {
  models: ServedModels
  settings: PluginSettings
  metrics: Metrics
  grafts: Grafts
  /** Aborted when the server waits no longer. */
  enough: AbortSignal | undefined
  /** Of the requests that run: what ends each. */
  running: Set<AbortController>
}

/**
 * Aborted when the client leaves before it has the whole answer, or when the server waits no longer. A signal of each
 * request alone: those that AbortSignal.any makes of one that lives on stay in its memory (Node 20).
 */
export function signalOf(
  reply: FastifyReply,
  { enough, running }: Pick<Context, 'enough' | 'running'>,
): AbortSignal {
  const end = new AbortController()
  running.add(end)
  if (enough?.aborted) end.abort(enough.reason) // the body came too late
  whenGone(reply, () => {
    running.delete(end)
    if (!reply.raw.writableFinished) end.abort(new ClientGone())
  })
  return end.signal
}
