/** Who may ask. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { RequestError } from './errors'

const digest = (text: string) => createHash('sha256').update(text).digest()

/** A hook that refuses requests without one of the keys; how long it takes tells nothing of them. */
export function keyCheck(keys: readonly string[]): (request: FastifyRequest) => Promise<void> {
  const digests = keys.map(digest)
  return async ({ headers: { authorization = '' }, routeOptions: { config } }) => {
    if ((config as { open?: boolean }).open) return
    const [, key] = /^Bearer (.+)$/i.exec(authorization) ?? []
    if (key === undefined)
      throw new RequestError('Expected an API key (Authorization: Bearer KEY), received none', {
        status: 401,
        code: 'missing_api_key',
      })
    const own = digest(key)
    if (digests.filter((one) => timingSafeEqual(one, own)).length === 0)
      throw new RequestError('Expected the API key of this server, received another one', {
        status: 401,
        code: 'invalid_api_key',
      })
  }
}

const LOCAL = /^(localhost\.?|127\.\d+\.\d+\.\d+|\[?::1\]?)$/i

export const isLocal = (host: string) => LOCAL.test(host)

/**
 * A hook of a server for this machine alone that asks for no key: a page of the web that has given its own name the address
 * of this machine is refused.
 */
export async function localNamesOnly({ hostname }: FastifyRequest): Promise<void> {
  if (isLocal(hostname)) return
  throw new RequestError(`Expected a request to localhost, received one to '${hostname}'`, {
    status: 403,
    code: 'forbidden_host',
  })
}
