/** PUT and DELETE /v1/models/NAME/graft: chat vectors on and off, while requests run. */
import type { FastifyInstance } from 'fastify'
import { checkConfig } from '../../config/parse'
import { graftSchema } from '../../config/requests/graft'
import { type Context, signalOf } from '../context'

interface Named {
  Params: { id: string }
}

export function graftRoutes(app: FastifyInstance, context: Context): void {
  const { models, grafts } = context
  app.put<Named>('/v1/models/:id/graft', async ({ params, body }, reply) => {
    const asked = checkConfig(graftSchema, body, 'request')
    const { id, model } = models.decoder(params.id)
    const { tensors_changed, bytes_changed, seconds } = await grafts.put(
      model,
      asked,
      signalOf(reply, context),
    )
    return { id, graft: asked, tensors_changed, bytes_changed, seconds }
  })
  app.delete<Named>('/v1/models/:id/graft', async ({ params }) => {
    const { id, model } = models.decoder(params.id)
    await grafts.takeOff(model)
    return { id, graft: null }
  })
}
