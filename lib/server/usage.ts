/** What a request took, as OpenAI's API tells it. */
import type { Generation } from '../verbs/generate'

export interface UsageBody {
  prompt_tokens: number
  completion_tokens: number
  total_tokens: number
  prompt_tokens_details: { cached_tokens: number }
}

/** Of all answers; `n` of them in a row are to one prompt, which counts once. */
export function usageOf(generations: readonly Generation[], n: number): UsageBody {
  const firsts = generations.filter((_, i) => i % n === 0)
  const sum = (all: readonly Generation[], key: keyof Generation['usage']) =>
    all.reduce((total, { usage }) => total + usage[key], 0)
  const prompt_tokens = sum(firsts, 'prompt_tokens')
  const completion_tokens = sum(generations, 'new_tokens')
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    prompt_tokens_details: { cached_tokens: sum(firsts, 'cached_tokens') },
  }
}
