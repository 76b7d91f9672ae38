/** GET /v1/models, GET /v1/models/NAME */
import type { FastifyInstance } from 'fastify'
import { Model } from '../../verbs/model'
import type { Context } from '../context'
import { RequestError } from '../errors'
import type { Grafts } from '../grafts'
import type { ServedModel } from '../models'

export function modelRoutes(app: FastifyInstance, { models, grafts }: Context): void {
  const told = (served: ServedModel) => descriptionOf(served, grafts)
  app.get('/v1/models', async () => ({ object: 'list', data: models.list().map(told) }))
  app.get<{ Params: { '*': string } }>('/v1/models/*', async ({ params: { '*': id } }) => {
    const found = models.list().find((one) => one.id === id)
    if (found) return told(found)
    throw new RequestError(`There is no model '${id}'`, {
      status: 404,
      code: 'model_not_found',
      param: 'model',
    })
  })
}

function descriptionOf({ id, created, model }: ServedModel, grafts: Grafts): object {
  const of =
    model instanceof Model
      ? {
          ...{ kind: 'decoder', context: model.stats().context },
          ...{ deltas: grafts.names(), graft: grafts.of(model) },
        }
      : { kind: 'encoder', dimensions: model.spec.hidden_size }
  return { id, object: 'model', created, owned_by: 'tongueforge', ...of }
}
