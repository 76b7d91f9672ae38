/** Bodies of requests: strict UTF-8, no deeper than anything that looks at them may go, and with no more keys than are known. */
import type { FastifyInstance } from 'fastify'
import { isBeyond } from '../checkpoint/json_text'
import { RequestError } from './errors'

/** A request of OpenAI's API has about eight levels, a JSON schema in it some more; 2,048 messages have some keys each. */
const MOST = { levels: 64, keys: 20_000 }
/** Each unknown key is looked at: sixty thousand of them held the event loop for a tenth of a second. */
const MAX_KEYS = 1000

/** Reads JSON, as Fastify does, behind these checks. */
export function strictBodies(scope: FastifyInstance): void {
  const parse = scope.getDefaultJsonParser('error', 'error')
  scope.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    const text = textOf(bytes)
    if (text === undefined) done(refusal('Expected a body in UTF-8, received bytes that are not'))
    else if (isBeyond(text, MOST) === 'levels')
      done(refusal(`Expected a body of at most ${MOST.levels} levels of nesting, received a deeper one`))
    else if (isBeyond(text, MOST) === 'keys')
      done(refusal(`Expected a body of at most ${MOST.keys} keys in all, received more`))
    else
      parse(request, text, (error, body) => {
        if (error) done(error)
        else if (typeof body === 'object' && body !== null && Object.keys(body).length > MAX_KEYS)
          done(refusal(`Expected a body of at most ${MAX_KEYS} keys, received more`))
        else done(null, body)
      })
  })
}

const refusal = (message: string) => new RequestError(message, { status: 400, code: 'invalid_request' })

function textOf(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
