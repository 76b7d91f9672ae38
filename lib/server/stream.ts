/** Answers as server-sent events. */
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Generation } from '../verbs/generate'
import type { Run } from '../verbs/run'
import { VERSION } from '../version'
import type { ChoiceEvent } from './choices'
import { errorBody, toRequestError } from './errors'

/** What all objects of an answer have. */
export const heading = (id: string, model: string) => ({
  id,
  created: Math.floor(Date.now() / 1000),
  model,
  system_fingerprint: `tongueforge-${VERSION}`,
})

export interface StreamShape {
  /** Objects to send before any piece. */
  opening: object[]
  /** Objects that tell a piece or an end: none where there is nothing to tell. */
  told(event: ChoiceEvent): object[]
  /** Objects to send at the end. */
  closing(generations: Generation[]): object[]
}

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no', // a proxy before us is not to wait for more
}

/**
 * Sends a run as it comes. What fails before the first token is thrown, and told by the status; what fails later is
 * told by an event, as the status has gone by then.
 */
export async function sendStream(
  reply: FastifyReply,
  run: Run<ChoiceEvent, Generation[]>,
  shape: StreamShape,
): Promise<FastifyReply> {
  const events = run[Symbol.asyncIterator]()
  const first = await events.next()
  return reply
    .headers(HEADERS)
    .send(Readable.from(lines(first, events, run.result, shape), { objectMode: false }))
}

async function* lines(
  first: IteratorResult<ChoiceEvent, void>,
  events: AsyncGenerator<ChoiceEvent, void>,
  result: Promise<Generation[]>,
  { opening, told, closing }: StreamShape,
): AsyncGenerator<string> {
  try {
    for (const object of opening) yield line(object)
    if (!first.done) for (const object of told(first.value)) yield line(object)
    for await (const event of events) for (const object of told(event)) yield line(object)
    for (const object of closing(await result)) yield line(object)
    yield 'data: [DONE]\n\n'
  } catch (error) {
    yield line(errorBody(toRequestError(error)))
  }
}

const line = (data: object) => `data: ${JSON.stringify(data)}\n\n`
