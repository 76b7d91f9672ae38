/** Log-probabilities in the two shapes of OpenAI's API. */
import { tokenText } from '../text/token_bytes'
import type { Tokenizer } from '../text/tokenizer'
import type { Logprob, PlacedLogprob } from '../verbs/generate'
import type { TokenLogprob } from '../verbs/serving/engine'

export interface ChatLogprob {
  token: string
  bytes: number[]
  logprob: number
}

/** Of /v1/chat/completions; null where none were asked for. */
export function chatLogprobs(
  logprobs: readonly Logprob[] | undefined,
  tokenizer: Tokenizer,
): { content: (ChatLogprob & { top_logprobs: ChatLogprob[] })[]; refusal: null } | null {
  if (!logprobs) return null
  const told = ({ id, logprob }: TokenLogprob): ChatLogprob => ({ ...tokenText(tokenizer, id), logprob })
  const content = logprobs.map((one) => ({ ...told(one), top_logprobs: one.top.map(told) }))
  return { content, refusal: null }
}

export interface TextLogprobs {
  tokens: string[]
  token_logprobs: number[]
  top_logprobs: Record<string, number>[]
  text_offset: number[]
}

/** Of /v1/completions. */
export function textLogprobs(
  logprobs: readonly PlacedLogprob[] | undefined,
  tokenizer: Tokenizer,
): TextLogprobs | null {
  if (!logprobs) return null
  const text = ({ id }: TokenLogprob) => tokenText(tokenizer, id).token
  return {
    tokens: logprobs.map(text),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top }) => Object.fromEntries(top.map((one) => [text(one), one.logprob]))),
    text_offset: logprobs.map(({ offset }) => offset),
  }
}
