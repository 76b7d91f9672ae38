/** An OpenAI-compatible endpoint of chat completions: one request, told apart into a reply, a refusal, or a failure. */
import { z } from 'zod'
import { TongueforgeError } from '../../errors'

/** Where a judge is asked. */
export interface Endpoint {
  /** Of the endpoint, without /chat/completions. */
  url: string
  /** Stands in no file, log or error. */
  key: string | undefined
  /** Seconds for one attempt, reply and all. */
  timeout: number
}

/** What a judge said, or why its endpoint does not take the request: asking again is of no use. */
export interface Reply {
  /** Word for word; empty where there is none. */
  text: string
  finish_reason: string | null
  /** Tokens, as the endpoint counts them. */
  usage?: Record<string, unknown> | undefined
  refused?: string
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

const completion = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        message: z.looseObject({ content: z.string().nullish(), refusal: z.string().nullish() }),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1),
  usage: z.record(z.string(), z.unknown()).nullish(),
})

/** Of one request alone: too long, or against the rules of the endpoint. */
const REFUSED = [400, 413, 422]
/** Of the moment; so is all from 500. */
const PASSING = [408, 409, 425, 429]

/** Throws Failure, and `signal.reason`. */
export async function complete(endpoint: Endpoint, body: object, signal: AbortSignal): Promise<Reply> {
  const { status, headers, text } = await posted(endpoint, body, signal)
  if (REFUSED.includes(status)) return { text: '', finish_reason: null, refused: told(status, text) }
  if (status < 200 || status > 299) throw refusal(endpoint, status, headers, text)
  const parsed = completion.safeParse(asJson(text))
  if (!parsed.success)
    throw failure(
      endpoint,
      `a reply that is no chat completion: ${JSON.stringify(short(text))}`,
      {},
      WRONG_PLACE,
    )
  const [{ message, finish_reason }] = parsed.data.choices as [(typeof parsed.data.choices)[number]]
  return {
    text: message.content ?? message.refusal ?? '',
    finish_reason: finish_reason ?? null,
    ...(parsed.data.usage && { usage: parsed.data.usage }),
  }
}

interface Posted {
  status: number
  headers: Headers
  text: string
}

async function posted({ url, key, timeout }: Endpoint, body: object, signal: AbortSignal): Promise<Posted> {
  const late = AbortSignal.timeout(timeout * 1000)
  const endpoint = { url, key, timeout }
  try {
    const response = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, late]),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text: withoutKey(text, key) }
  } catch (error) {
    signal.throwIfAborted()
    if (late.aborted)
      throw failure(
        endpoint,
        `nothing in ${timeout} seconds`,
        {},
        'judge.timeout: a longer one; judge.concurrency: fewer requests at a time.',
      )
    throw failure(endpoint, reasonOf(error), {}, 'Is a server running at judge.url?')
  }
}

/** What stands in the place of a key where none is asked for, as EMPTY, is shorter, and a word that replies may hold. */
const SHORTEST_SECRET = 12

/** Some endpoints show a key that they do not know. */
const withoutKey = (text: string, key: string | undefined) =>
  key === undefined || key.length < SHORTEST_SECRET ? text : text.replaceAll(key, '***')

/** `ECONNREFUSED`, behind what fetch says of every failure. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as { message: string; cause?: { code?: string; message?: string } }
  return `no connection (${cause?.code ?? cause?.message ?? message})`
}

const WRONG_PLACE = 'judge.url is what stands before /chat/completions; most end in /v1.'

function refusal(endpoint: Endpoint, status: number, headers: Headers, text: string): Failure {
  const message = told(status, text)
  if (status === 401 || status === 403)
    return failure(
      endpoint,
      message,
      undefined,
      'judge.api_key_env names the environment variable with the key; default: OPENAI_API_KEY.',
    )
  if (status === 404) return failure(endpoint, message, undefined, `${WRONG_PLACE} Does it know judge.model?`)
  const passing = PASSING.includes(status) || status >= 500
  // A quota that is used up does not come back in minutes.
  const again = passing && !/insufficient_quota/.test(text) ? { after: secondsOf(headers) } : undefined
  return failure(
    endpoint,
    message,
    again,
    'With --resume it goes on; judge.concurrency and judge.retries spare an endpoint.',
  )
}

/** `429: the words of the endpoint`. */
function told(status: number, text: string): string {
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

function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function failure({ url }: Endpoint, received: string, again: Failure['again'], hint: string): Failure {
  const message = `${url}: expected a reply of the judge, received ${received}`
  return new Failure(received, new TongueforgeError('ERR_JUDGE', message, { hint, details: { url } }), again)
}
