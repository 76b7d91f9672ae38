/** Asks a judge: many requests side by side, each again where it failed for a moment. */
import type { JudgeConfig } from '../../config/judge'
import type { JudgeMessage } from '../../tasks/judging/prompt'
import { apiKeyOf, checkAddress } from '../requesting/keys'
import type { Endpoint } from '../requesting/post'
import { type RetryCallbacks, retried, WAITS, type Waits } from '../requesting/retry'
import { complete, JUDGE_SERVICE, type Reply } from './endpoint'

export type JudgeCallbacks = RetryCallbacks

export class JudgeClient {
  private constructor(
    private readonly endpoint: Endpoint,
    private readonly config: JudgeConfig,
    private readonly waits: Waits,
  ) {}

  /** Throws ERR_CONFIG, which never shows what may be a key. */
  static open(config: JudgeConfig, file: string, waits: Partial<Waits> = {}): JudgeClient {
    checkAddress(config.url, 'judge', file)
    const url = config.url.replace(/\/+$/, '').replace(/\/chat\/completions$/, '')
    const key = apiKeyOf(config.api_key_env, {
      ...{ key: 'judge.api_key_env', file, usual: 'OPENAI_API_KEY', example: 'OPENAI_API_KEY' },
    })
    const endpoint = { url, path: '/chat/completions', key, timeout: config.timeout, service: JUDGE_SERVICE }
    return new JudgeClient(endpoint, config, { ...WAITS, ...waits })
  }

  /** What is sent; everything in it decides the reply. */
  body(messages: readonly JudgeMessage[]): Record<string, unknown> {
    const { model, max_tokens, request } = this.config
    const body = { model, messages, temperature: 0, max_tokens, ...request }
    return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))
  }

  /** Throws ERR_JUDGE, `signal.reason`. */
  ask(messages: readonly JudgeMessage[], callbacks: JudgeCallbacks): Promise<Reply> {
    const { retries } = this.config
    return retried(
      () => complete(this.endpoint, this.body(messages), callbacks.signal),
      { retries, waits: this.waits, who: 'The judge' },
      callbacks,
    )
  }
}
