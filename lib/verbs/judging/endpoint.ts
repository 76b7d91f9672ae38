/** An OpenAI-compatible endpoint of chat completions: one request, told apart into a reply, a refusal, or a failure. */
import { z } from 'zod'
import {
  asJson,
  type Endpoint,
  isRefused,
  odd,
  posted,
  refusal,
  type Service,
  told,
} from '../requesting/post'

export const JUDGE_SERVICE: Service = {
  code: 'ERR_JUDGE',
  key: 'judge',
  expected: 'a reply of the judge',
  wrongPlace: 'judge.url is what stands before /chat/completions; most end in /v1.',
  unknown: 'Does it know judge.model?',
  wrongKey: 'judge.api_key_env names the environment variable with the key; default: OPENAI_API_KEY.',
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

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((part) => isDeeper(part, levels - 1)))

const completion = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        message: z.looseObject({ content: z.string().nullish(), refusal: z.string().nullish() }),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1),
  // Kept as it is, and written as JSON, which ends a stack where it is deep enough.
  usage: z
    .record(z.string(), z.unknown())
    .refine((usage) => !isDeeper(usage, 8))
    .nullish(),
})

/** Throws Failure, and `signal.reason`. */
export async function complete(endpoint: Endpoint, body: object, signal: AbortSignal): Promise<Reply> {
  const reply = await posted(endpoint, body, signal)
  const { status, text } = reply
  if (isRefused(reply)) return { text: '', finish_reason: null, refused: told(status, text) }
  if (status < 200 || status > 299) throw refusal(endpoint, reply)
  const parsed = completion.safeParse(asJson(text))
  if (!parsed.success) throw odd(endpoint, reply, 'a reply that is no chat completion')
  const [{ message, finish_reason }] = parsed.data.choices as [(typeof parsed.data.choices)[number]]
  return {
    text: message.content ?? message.refusal ?? '',
    finish_reason: finish_reason ?? null,
    ...(parsed.data.usage && { usage: parsed.data.usage }),
  }
}
