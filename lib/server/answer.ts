/** From the answers that a request asks for to what its client gets. */
import type { FastifyReply } from 'fastify'
import type { Generation } from '../verbs/generate'
import { choicesOf, type StartChoice } from './choices'
import type { Context } from './context'
import { toRequestError } from './errors'
import { type StreamShape, sendStream } from './stream'

export interface Asked {
  model: string
  starts: readonly StartChoice[]
  stream?: boolean | null | undefined
  stream_options?: { include_usage?: boolean | null | undefined } | null | undefined
  /** Of the request, from its beginning. */
  signal: AbortSignal
  /** The field that holds what the model is to read. */
  field: string
}

/** The shapes of a route. */
export interface AnswerShape {
  whole(generations: readonly Generation[]): object
  stream(withUsage: boolean): StreamShape
}

/** Answers all at once, or as a stream. Throws RequestError. */
export async function answer(
  reply: FastifyReply,
  context: Context,
  { model, starts, stream, stream_options, signal, field }: Asked,
  shape: AnswerShape,
): Promise<object> {
  const begun = performance.now()
  const onFirst = () => context.metrics.firstToken(model, (performance.now() - begun) / 1000)
  try {
    const run = choicesOf(starts, { signal, onFirst })
    if (!stream) return shape.whole(await run.result)
    return await sendStream(reply, run, shape.stream(stream_options?.include_usage === true))
  } catch (error) {
    throw toRequestError(error, field)
  }
}
