/** Asks a judge: many requests side by side, each again where it failed for a moment. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { JudgeConfig } from '../../config/judge'
import { configError } from '../../config/parse'
import type { JudgeMessage } from '../../tasks/judging/prompt'
import { complete, type Endpoint, Failure, type Reply } from './endpoint'

/** Seconds between attempts. */
export interface Waits {
  /** Before the second attempt; each later one waits twice as long. */
  first: number
  longest: number
  /** What an endpoint may ask for. */
  longestAsked: number
  /** Of a wait that people are told of. */
  told: number
}

const WAITS: Waits = { first: 1, longest: 60, longestAsked: 600, told: 10 }

export interface JudgeCallbacks {
  signal: AbortSignal
  onWarning?: ((message: string) => void) | undefined
}

export class JudgeClient {
  private constructor(
    private readonly endpoint: Endpoint,
    private readonly config: JudgeConfig,
    private readonly waits: Waits,
  ) {}

  /** Throws ERR_CONFIG, which never shows what may be a key. */
  static open(config: JudgeConfig, file: string, waits: Partial<Waits> = {}): JudgeClient {
    checkAddress(config.url, file)
    const url = config.url.replace(/\/+$/, '').replace(/\/chat\/completions$/, '')
    const endpoint = { url, key: keyOf(config, file), timeout: config.timeout }
    return new JudgeClient(endpoint, config, { ...WAITS, ...waits })
  }

  /** What is sent; everything in it decides the reply. */
  body(messages: readonly JudgeMessage[]): Record<string, unknown> {
    const { model, max_tokens, request } = this.config
    const body = { model, messages, temperature: 0, max_tokens, ...request }
    return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))
  }

  /** Throws ERR_JUDGE, `signal.reason`. */
  async ask(messages: readonly JudgeMessage[], { signal, onWarning }: JudgeCallbacks): Promise<Reply> {
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted()
      try {
        return await complete(this.endpoint, this.body(messages), signal)
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure
        if (failure.again === undefined || attempt >= this.config.retries) throw failure.error
        await this.#wait(failure, failure.again.after, attempt, { signal, onWarning })
      }
    }
  }

  async #wait(
    { message }: Failure,
    asked: number | undefined,
    attempt: number,
    { signal, onWarning }: JudgeCallbacks,
  ): Promise<void> {
    const { first, longest, longestAsked, told } = this.waits
    const seconds =
      asked === undefined ? Math.min(first * 2 ** attempt, longest) : Math.min(asked, longestAsked)
    if (seconds >= told) onWarning?.(`The judge is asked again in ${Math.round(seconds)} seconds: ${message}`)
    await sleep(seconds * 1000, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

const USUAL_KEY = 'OPENAI_API_KEY'

// A key that was put in the place of the name must not be shown: neither the name nor what it holds is.
function keyOf({ api_key_env: name }: JudgeConfig, file: string): string | undefined {
  const key = process.env[name ?? USUAL_KEY]?.trim()
  const refused = (problem: string) =>
    configError(file, `judge.api_key_env: ${problem}`, {
      hint: 'It names a variable, as OPENAI_API_KEY; the key itself stands in no config.',
      key: 'judge.api_key_env',
    })
  if (name !== undefined && !key) throw refused('expected an environment variable that is set, it names none')
  if (key && !/^[\x21-\x7e]+$/.test(key))
    throw refused('expected a key of plain letters, digits and signs, the variable holds another text')
  return key || undefined
}

function checkAddress(url: string, file: string): void {
  const { username, password } = new URL(url)
  if (username === '' && password === '') return
  throw configError(file, 'judge.url: expected an address without a name and a password', {
    hint: 'judge.api_key_env names the environment variable with the key.',
    key: 'judge.url',
  })
}
