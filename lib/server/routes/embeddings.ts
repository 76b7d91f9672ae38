/** POST /v1/embeddings */
import type { FastifyInstance } from 'fastify'
import { checkConfig } from '../../config/parse'
import { embeddingsSchema } from '../../config/requests/embeddings'
import type { Encoder } from '../../verbs/encoder'
import { type Context, signalOf } from '../context'
import { RequestError, toRequestError } from '../errors'
import { isIds, listOf, type Texts, textOf } from '../texts'
import { Turns } from '../turns'

/** A call runs on all threads of its encoder: more at a time would only take more memory. */
const TURNS = { running: 2, waiting: 256 }

export function embeddingsRoute(app: FastifyInstance, context: Context): void {
  const turns = new Turns(TURNS)
  const { pooling, normalize } = context.settings
  app.post('/v1/embeddings', async (request, reply) => {
    const asked = checkConfig(embeddingsSchema, request.body, 'request')
    const { id: name, model } = context.models.encoder(asked.model)
    checkDimensions(asked.dimensions, model.spec.hidden_size)
    const signal = signalOf(reply, context)
    try {
      const rows = await idsOf(name, model, asked.input)
      const vectors = await turns.run(() => model.embedIds(rows, { pooling, normalize, signal }))
      const written = asked.encoding_format === 'base64' ? base64 : (vector: Float32Array) => [...vector]
      const tokens = rows.reduce((total, { length }) => total + length, 0)
      return {
        object: 'list',
        data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: written(vector) })),
        model: name,
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      }
    } catch (error) {
      throw toRequestError(error, 'input')
    }
  })
}

async function idsOf(name: string, model: Encoder, input: Texts): Promise<ArrayLike<number>[]> {
  const all = listOf(input)
  if (all.every(isIds)) return all
  const { tokenizer } = await textOf(name, model, 'give token ids as input')
  return tokenizer.encodeBatch(all as string[])
}

function checkDimensions(asked: number | null | undefined, dimensions: number): void {
  if (asked == null || asked === dimensions) return
  throw new RequestError(`dimensions: expected ${dimensions}, which the model has, received ${asked}`, {
    status: 400,
    code: 'invalid_value',
    param: 'dimensions',
  })
}

const base64 = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64')
