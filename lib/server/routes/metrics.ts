/** GET /metrics: for Prometheus. */
import type { FastifyInstance } from 'fastify'
import type { Context } from '../context'

export function metricsRoute(app: FastifyInstance, { metrics }: Context): void {
  app.get('/metrics', async (_request, reply) => {
    const { type, body } = await metrics.text()
    return reply.type(type).send(body)
  })
}
