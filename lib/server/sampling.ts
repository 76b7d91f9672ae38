/** What a request asks of the model, in the words of the library. */
import { randomInt } from 'node:crypto'
import type { ChatRequest } from '../config/requests/chat'
import type { GenerateOptions } from '../verbs/generate'

type Fields = Pick<
  ChatRequest,
  'temperature' | 'top_p' | 'top_k' | 'min_p' | 'repetition_penalty' | 'seed' | 'stop'
>

const MOST = 2 ** 30

/** Without `maxNewTokens`: as the context allows. Without a seed: another one each time. */
export function samplingOf(fields: Fields): GenerateOptions & { seed: number } {
  const { temperature, top_p, top_k, min_p, repetition_penalty, seed, stop } = fields
  return {
    temperature: temperature ?? 1,
    topP: top_p ?? 1,
    topK: top_k ?? 0,
    minP: min_p ?? 0,
    repetitionPenalty: repetition_penalty ?? 1,
    seed: seed ?? randomInt(2 ** 47),
    stop: [stop ?? []].flat().filter((text) => text !== ''),
  }
}

/** The longest answer: what is asked for, within what the server allows. */
export function longest(asked: number | null | undefined, allowed: number | undefined): number {
  return Math.min(asked ?? MOST, allowed ?? MOST)
}
