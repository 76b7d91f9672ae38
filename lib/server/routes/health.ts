/** GET /health: what is served, and how busy it is. */
import type { FastifyInstance } from 'fastify'
import { VERSION } from '../../version'
import type { Context } from '../context'

export function healthRoute(app: FastifyInstance, { models }: Context): void {
  app.get('/health', { config: { open: true } }, async () => {
    const all = models.decoders().map(([, model]) => model.stats())
    const sum = (key: 'running' | 'waiting') => all.reduce((total, stats) => total + stats[key], 0)
    return {
      status: 'ok',
      version: VERSION,
      models: models.list().map(({ id }) => id),
      running: sum('running'),
      waiting: sum('waiting'),
    }
  })
}
