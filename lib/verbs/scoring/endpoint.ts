/** Scores from an endpoint: several requests side by side, each again where it failed for a moment. */
import { createHash } from 'node:crypto'
import { abortWith } from '../../abort'
import type { ScorerConfig } from '../../config/scorers'
import { apiKeyOf, checkAddress } from '../requesting/keys'
import { asJson, type Endpoint, type Failure, isRefused, odd, posted, refusal } from '../requesting/post'
import { retried, WAITS, type Waits } from '../requesting/retry'
import { canonicalJson } from '../training/identity'
import { PROTOCOLS } from './protocols'
import type { ScoreOptions, Scorer, ScorerContext, ScorerKind } from './scorer'

export const ENDPOINT: ScorerKind = {
  check: async (context) => void endpointOf(context, 'config'),
  // The address is not among it: an endpoint may move.
  async identity({ name, scorer }) {
    const { protocol, attribute, languages } = scorer
    const asked = canonicalJson({ name, protocol, attribute, languages })
    return { identity: { endpoint: createHash('sha256').update(asked).digest('hex') }, inputs: [] }
  },
  open: async (context) => new EndpointScorer(endpointOf(context, 'config'), context),
}

/** Throws ERR_CONFIG, which never shows what may be a key. */
export function endpointOf({ name, scorer }: ScorerContext, file: string): Endpoint {
  const { url, api_key_env, timeout, protocol } = scorer
  const config = `scorers.${name}`
  checkAddress(url!, config, file)
  const key = apiKeyOf(api_key_env, { key: `${config}.api_key_env`, file, example: 'PERSPECTIVE_API_KEY' })
  const { keyHeader } = PROTOCOLS[protocol]
  return {
    ...{ url: url!, key, timeout, ...(keyHeader && { keyHeader }) },
    service: {
      code: 'ERR_SCORER',
      ...{ key: config, expected: 'scores' },
      wrongPlace: `docs/generation_tasks.md#endpoints says what ${config}.url is sent, and what it has to answer.`,
      unknown: `Does it know ${config}.attribute?`,
      wrongKey: `${config}.api_key_env names the environment variable with the key.`,
    },
  }
}

export class EndpointScorer implements Scorer {
  /** The last of the texts that were not taken. */
  #refused: Failure | undefined

  constructor(
    private readonly endpoint: Endpoint,
    private readonly context: Pick<ScorerContext, 'name' | 'scorer'>,
    private readonly waits: Waits = WAITS,
  ) {}

  /** Throws ERR_SCORER, `signal.reason`. */
  async score(
    texts: readonly string[],
    { signal, onProgress, onWarning }: ScoreOptions,
  ): Promise<(number | null)[]> {
    const { batch, concurrency, protocol } = this.context.scorer
    const size = PROTOCOLS[protocol].one ? 1 : batch
    const starts = Array.from({ length: Math.ceil(texts.length / size) }, (_, i) => i * size)
    const scores = new Array<number | null>(texts.length).fill(null)
    const failed = new AbortController()
    const letGo = abortWith(failed, signal)
    let [next, done] = [0, 0]
    const work = async () => {
      while (next < starts.length) {
        const from = starts[next++]!
        const some = texts.slice(from, from + size)
        const found = await this.#ask(some, { signal: failed.signal, onWarning })
        for (const [i, score] of found.entries()) scores[from + i] = score
        done += some.length
        onProgress?.({ done, total: texts.length })
      }
    }
    const workers = Array.from({ length: Math.min(concurrency, starts.length) }, () =>
      work().catch((error) => failed.abort(error)),
    )
    await Promise.all(workers)
    letGo()
    signal?.throwIfAborted()
    if (failed.signal.aborted) throw failed.signal.reason
    if (this.#refused !== undefined && scores.every((score) => score === null)) throw this.#refused.error
    return scores
  }

  #ask(
    texts: readonly string[],
    callbacks: { signal: AbortSignal; onWarning: ScoreOptions['onWarning'] },
  ): Promise<(number | null)[]> {
    const { name, scorer } = this.context
    const ways = { retries: scorer.retries, waits: this.waits, who: `The scorer of ${name}` }
    return retried(() => this.#attempt(texts, callbacks.signal), ways, callbacks)
  }

  /** A text that the endpoint does not take, for its language or length, has no score. */
  async #attempt(texts: readonly string[], signal: AbortSignal): Promise<(number | null)[]> {
    const { name, scorer } = this.context
    const protocol = PROTOCOLS[scorer.protocol]
    const reply = await posted(this.endpoint, protocol.body(texts, attributeOf(name, scorer), scorer), signal)
    if (isRefused(reply) && texts.length === 1) {
      this.#refused = refusal(this.endpoint, reply)
      return [null]
    }
    if (reply.status < 200 || reply.status > 299) throw refusal(this.endpoint, reply)
    const scores = protocol.scores(asJson(reply.text), attributeOf(name, scorer))
    if (scores?.length === texts.length) return scores
    throw odd(this.endpoint, reply, 'a reply without a score for each text')
  }
}

const attributeOf = (name: string, { attribute, protocol }: ScorerConfig): string =>
  attribute ?? (protocol === 'perspective' ? name.toUpperCase() : name)
