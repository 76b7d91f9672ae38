/** One request to an endpoint that speaks JSON: a reply, or why there is none and whether asking again may help. */
import { TongueforgeError } from '../../errors'
import { BadReply, textOf } from './reply'
import { Watch } from './watch'

/** Who answers, in the words of errors. */
export interface Service {
  code: string
  /** The key of the config that names the endpoint: `judge`. */
  key: string
  /** "a reply of the judge" */
  expected: string
  /** What may help where the address is not that of such an endpoint; and where it knows none of what is asked for. */
  wrongPlace: string
  unknown: string
  wrongKey: string
}

export interface Endpoint {
  /** Where requests go, and what stands behind it. */
  url: string
  path?: string
  /** Stands in no file, log or error. */
  key: string | undefined
  /** The header that the key is sent in; default: `authorization: Bearer KEY`. */
  keyHeader?: string
  /** Seconds for one attempt, reply and all. */
  timeout: number
  service: Service
}

/** An attempt that failed. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly error: TongueforgeError,
    /** Whether another attempt may fare better, and how many seconds the endpoint asks for before it. */
    readonly again: { after?: number | undefined } | undefined,
  ) {
    super(message)
  }
}

export interface Posted {
  status: number
  headers: Headers
  /** Without the key, where the endpoint echoes it. */
  text: string
}

/** Of one request alone: too long, or against the rules of the endpoint. */
const REFUSED = [400, 413, 422]
/** Of the moment; so is all from 500. */
const PASSING = [408, 409, 425, 429]

export const isRefused = ({ status }: Posted): boolean => REFUSED.includes(status)

/**
 * Any reply, whatever its status; of a success at most MAX_REPLY_BYTES within `timeout`, of a refusal the beginning. Throws
 * Failure, and `signal.reason`.
 */
export async function posted(endpoint: Endpoint, body: object, signal: AbortSignal): Promise<Posted> {
  const { url, path = '', key, timeout, service } = endpoint
  const watch = new Watch(signal, timeout)
  let response: Response | undefined
  try {
    response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...keyHeader(endpoint) },
      body: JSON.stringify(body),
      redirect: 'manual', // fetch would take a key in a header of its own along, wherever it is sent
      signal: watch.signal,
    })
    const text = await textOf(response)
    return { status: response.status, headers: response.headers, text: withoutKey(text, key) }
  } catch (error) {
    signal.throwIfAborted()
    if (watch.late) {
      const received = response
        ? `a reply that had no end after ${timeout} seconds`
        : `nothing in ${timeout} seconds`
      const hint = `${service.key}.timeout: a longer one; ${service.key}.concurrency: fewer requests at a time.`
      throw failure(endpoint, received, {}, hint)
    }
    if (error instanceof BadReply)
      throw failure(endpoint, error.message, error.passing ? {} : undefined, service.wrongPlace)
    if (response)
      throw failure(endpoint, `a reply that broke off (${reasonOf(error)})`, {}, service.wrongPlace)
    throw failure(
      endpoint,
      `no connection (${reasonOf(error)})`,
      {},
      `Is a server running at ${service.key}.url?`,
    )
  } finally {
    watch.end()
  }
}

function keyHeader({ key, keyHeader: name }: Endpoint): Record<string, string> {
  if (key === undefined) return {}
  return name === undefined ? { authorization: `Bearer ${key}` } : { [name]: key }
}

/** What stands in the place of a key where none is asked for, as EMPTY, is shorter, and a word that replies may hold. */
const SHORTEST_SECRET = 12

/** Some endpoints show a key that they do not know. */
const withoutKey = (text: string, key: string | undefined) =>
  key === undefined || key.length < SHORTEST_SECRET ? text : text.replaceAll(key, '***')

/** `ECONNREFUSED`, behind what fetch says of every failure. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as { message: string; cause?: { code?: string; message?: string } }
  return cause?.code ?? cause?.message ?? message
}

/** Of a status that is no success. */
export function refusal(endpoint: Endpoint, { status, headers, text }: Posted): Failure {
  const { key, wrongPlace, wrongKey, unknown } = endpoint.service
  const message = told(status, text)
  if (status === 401 || status === 403) return failure(endpoint, message, undefined, wrongKey)
  const place = status >= 300 && status < 400 ? headers.get('location') : null
  if (place !== null) {
    const hint = `If you trust it, give that address: ${key}.url. Requests and their key are sent nowhere else than there.`
    return failure(endpoint, `${status}: a redirect to ${short(place)}`, undefined, hint)
  }
  if (status === 404) return failure(endpoint, message, undefined, `${wrongPlace} ${unknown}`)
  const passing = PASSING.includes(status) || status >= 500
  // A quota that is used up does not come back in minutes.
  const again = passing && !/insufficient_quota/.test(text) ? { after: secondsOf(headers) } : undefined
  const hint = `With --resume it goes on; ${key}.concurrency and ${key}.retries spare an endpoint.`
  return failure(endpoint, message, again, hint)
}

/** Of a success that is no such reply: it may be one the next time. */
export function odd(endpoint: Endpoint, { headers, text }: Posted, what: string): Failure {
  const type = headers.get('content-type') ?? 'application/json'
  const other = /\bjson\b/.test(type) ? '' : ` (${short(type)})`
  return failure(endpoint, `${what}${other}: ${JSON.stringify(short(text))}`, {}, endpoint.service.wrongPlace)
}

/** `429: the words of the endpoint`. */
export function told(status: number, text: string): string {
  const { error, message, detail } = Object(asJson(text)) as Record<string, unknown>
  const words = [(error as { message?: unknown } | undefined)?.message, error, message, detail, text]
  return `${status}: ${short(words.find((one) => typeof one === 'string') as string)}`
}

const short = (text: string) => text.trim().replaceAll(/\s+/g, ' ').slice(0, 300)

/** Retry-After: seconds, or a date. */
function secondsOf(headers: Headers): number | undefined {
  const given = headers.get('retry-after')
  if (given === null) return undefined
  const seconds = /^\s*\d+(\.\d+)?\s*$/.test(given) ? Number(given) : (Date.parse(given) - Date.now()) / 1000
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}

/** undefined where it is none. */
export function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function failure(
  { url, service }: Endpoint,
  received: string,
  again: Failure['again'],
  hint: string,
): Failure {
  const message = `${url}: expected ${service.expected}, received ${received}`
  return new Failure(received, new TongueforgeError(service.code, message, { hint, details: { url } }), again)
}
