/** Prompts that are asked of an engine together. */
import { abortWith } from '../../abort'
import type { RequestSettings } from '../../native'
import { type GeneratedIds, type Logprob, logprobOf } from '../generate'
import type { ChosenToken, Engine, Usage } from './engine'

interface Listeners {
  signal?: AbortSignal | undefined
  onToken?: ((token: { row: number } & ChosenToken) => void) | undefined
  onUsage?: ((usage: { row: number } & Usage) => void) | undefined
}

/** Each prompt is a request of its own, row i with seed + i; one that fails ends the others. Throws what `Engine.ask` throws. */
export function answersOf(
  engine: Engine,
  prompts: readonly Int32Array[],
  settings: Omit<RequestSettings, 'prompt'>,
  { signal, onToken, onUsage }: Listeners,
): Promise<GeneratedIds[]> {
  const failed = new AbortController()
  const letGo = abortWith(failed, signal)
  const answer = async (prompt: Int32Array, row: number): Promise<GeneratedIds> => {
    const ids: number[] = []
    const logprobs: Logprob[] = []
    const take = (token: ChosenToken) => {
      ids.push(token.id)
      const logprob = logprobOf(token)
      if (logprob) logprobs.push(logprob)
      onToken?.({ row, ...token })
    }
    const request = { ...settings, prompt, seed: settings.seed + row }
    const { reason } = await engine.ask(request, {
      signal: failed.signal,
      onToken: take,
      onUsage: (usage) => onUsage?.({ row, ...usage }),
    })
    return { ids, finish_reason: reason, ...(settings.log_probs < 0 ? {} : { logprobs }) }
  }
  const answers = prompts.map((prompt, row) => answer(prompt, row))
  for (const one of answers) one.catch((error) => failed.abort(error)) // the first to fail tells the reason
  return Promise.all(answers).finally(() => Promise.allSettled(answers).finally(letGo))
}
