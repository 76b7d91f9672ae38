/** From the answers that a request asks for to what its client gets. */
import type { FastifyReply } from 'fastify'
import type { GeneratedPiece, Generation } from '../verbs/generate'
import type { Model } from '../verbs/model'
import type { Run } from '../verbs/run'
import { choicesOf } from './choices'
import type { Context } from './context'
import { toRequestError } from './errors'
import { type EncodePrompt, encodedOnce } from './prompts'
import { type StreamShape, sendStream } from './stream'

export interface Asked {
  /** The name that the client knows. */
  name: string
  model: Model
  prompts: readonly EncodePrompt[]
  /** Answers to each prompt. */
  n: number
  /** Begins choice `i`, of all. */
  start(ids: Int32Array, i: number, signal: AbortSignal): Run<GeneratedPiece, Generation>
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
  { name, model, prompts, n, start, stream, stream_options, signal, field }: Asked,
  shape: AnswerShape,
): Promise<object> {
  const begun = performance.now()
  const onFirst = () => context.metrics.firstToken(name, (performance.now() - begun) / 1000)
  try {
    const rows = await encodedOnce(model, prompts, { n, signal })
    const starts = rows.flatMap((ids, row) =>
      Array.from({ length: n }, (_, i) => (either: AbortSignal) => start(ids, row * n + i, either)),
    )
    const run = choicesOf(starts, { signal, onFirst })
    if (!stream) return shape.whole(await run.result)
    return await sendStream(reply, run, shape.stream(stream_options?.include_usage === true))
  } catch (error) {
    throw toRequestError(error, field)
  }
}
