/** Requests to a native engine: it runs while there are any, and answers each by the events of its steps. */
import { TongueforgeError, toTongueforgeError } from '../../errors'
import {
  type EndedRequest,
  type EngineEvent,
  type EngineSettings,
  type EngineStats,
  type Handle,
  native,
  type RequestSettings,
  runJob,
} from '../../native'
import { pause } from '../../text/pause'

/** Tokens that the engine may be ahead of this thread. */
const MOST_UNHEARD = 512
/** Tokens that are told in one turn of the event loop: whoever hears of them has work to do, too. */
const TOLD_AT_ONCE = 64

export interface TokenLogprob {
  /** Of the token. */
  id: number
  /** Natural logarithm, of the model's own distribution: before temperature and filters. */
  logprob: number
}

export interface ChosenToken {
  /** Of the new token. */
  id: number
  /** As in TokenLogprob, where it was asked for. */
  logprob?: number
  /** The most probable ones in its place, as many as were asked for. */
  top?: TokenLogprob[]
}

/** Tokens that an answer took. */
export interface Usage {
  /** Of the prompt. */
  prompt_tokens: number
  /** Of the prompt, what was found computed. */
  cached_tokens: number
  /** Of the answer. */
  new_tokens: number
}

export interface AskOptions {
  signal?: AbortSignal | undefined
  onToken?: ((token: ChosenToken) => void) | undefined
  /** Hears of the usage at the end, aborted or not. */
  onUsage?: ((usage: Usage) => void) | undefined
}

interface Asked {
  token(token: ChosenToken): void
  end(ended: EndedRequest): void
  fail(error: unknown): void
}

export class Engine {
  readonly #asked = new Map<number, Asked>()
  #run: Promise<void> | undefined
  /** That a run has failed, and the native side has requests that nobody waits for. */
  #hasLeft = false
  readonly #heard: EngineEvent[] = []
  /** That all of it is told; `#isTelling` until then. */
  #told: Promise<void> | undefined
  #isTelling = false

  /** Requests that never got to the native side, as there was no place for them. */
  #refused = 0

  private constructor(
    private readonly handle: Handle,
    private readonly settings: EngineSettings,
    private readonly threads: number,
  ) {}

  /** Throws ERR_OUT_OF_MEMORY, ERR_CONTEXT, ERR_DEVICE, ERR_DTYPE. */
  static async make(model: Handle, settings: EngineSettings, threads: number): Promise<Engine> {
    const options = { model, ...settings, most_unheard: MOST_UNHEARD, threads }
    return new Engine(await runJob('makeEngine', options), settings, threads)
  }

  /**
   * Answers a request. Rejects with `signal.reason`, with what onToken threw, or with a TongueforgeError: ERR_QUEUE_FULL,
   * ERR_CONTEXT, ERR_DATA, ERR_NON_FINITE.
   */
  async ask(
    request: RequestSettings,
    { signal, onToken, onUsage }: AskOptions = {},
  ): Promise<{ reason: 'stop' | 'length'; usage: Usage }> {
    signal?.throwIfAborted()
    if (this.#hasLeft) {
      this.#start()
      await this.#run // it makes room
      signal?.throwIfAborted()
    }
    const number = this.#submit(request)
    const cancel = () => native().cancelRequest({ engine: this.handle, request: number })
    let thrown: { error: unknown } | undefined
    try {
      const ended = await new Promise<EndedRequest>((resolve, reject) => {
        signal?.addEventListener('abort', cancel, { once: true })
        const token = (token: ChosenToken) => {
          if (thrown) return
          try {
            onToken?.(token)
          } catch (error) {
            thrown = { error }
            cancel()
          }
        }
        const end = (ended: EndedRequest) => {
          this.#asked.delete(number)
          resolve(ended)
        }
        this.#asked.set(number, { token, end, fail: reject })
        this.#start()
      })
      const { reason, prompt_tokens, cached_tokens, new_tokens, error } = ended
      const usage = { prompt_tokens, cached_tokens, new_tokens }
      onUsage?.(usage)
      if (thrown) throw thrown.error
      if (error) throw new TongueforgeError(error.code, error.message, { hint: error.hint })
      if (reason === 'stop' || reason === 'length') return { reason, usage }
      signal?.throwIfAborted()
      throw new TongueforgeError('ERR_INTERNAL', `A request ended in another way than expected: ${reason}`)
    } finally {
      signal?.removeEventListener('abort', cancel)
      this.#asked.delete(number)
    }
  }

  /** Requests from now on run on these weights. */
  use(model: Handle): void {
    native().useWeights({ engine: this.handle, model })
  }

  stats(): EngineStats {
    const stats = native().engineStats({ engine: this.handle })
    return { ...stats, refused: stats.refused + this.#refused }
  }

  /**
   * Throws ERR_QUEUE_FULL, in the words of the native side, where so many requests more would find no place. `most` of its
   * details: as many as ever may be.
   */
  checkRoom(requests: number): void {
    const { running, waiting } = this.stats()
    const { sequences, queue } = this.settings
    const most = sequences + queue
    if (running + waiting + requests <= most) return
    if (this.#hasLeft) this.#start()
    this.#refused += requests
    throw new TongueforgeError(
      'ERR_QUEUE_FULL',
      `Expected at most ${most} requests at a time (${sequences} that run, ${queue} that wait), ` +
        `received ${requests === 1 ? 'one' : requests} more`,
      {
        hint:
          requests <= most
            ? 'Try again when some have ended, or load the model with a larger `queue`.'
            : 'They never fit: ask for fewer at a time, or load the model with a larger `queue`.',
        details: { most, received: requests },
      },
    )
  }

  /** Waits for what runs, then frees. */
  async dispose(): Promise<void> {
    while (this.#run) await this.#run
    native().dispose(this.handle)
  }

  #submit(request: RequestSettings): number {
    try {
      return native().submitRequest({ engine: this.handle, ...request })
    } catch (error) {
      throw toTongueforgeError(error)
    }
  }

  #start(): void {
    this.#run ??= this.#answer()
  }

  async #answer(): Promise<void> {
    try {
      // A request may come while the job that found none is on its way out: then there is another.
      while (this.#asked.size > 0 || this.#hasLeft) {
        await runJob(
          'runEngine',
          { engine: this.handle, threads: this.threads },
          { onItem: (event) => this.#hear(event as EngineEvent) },
        )
        this.#hasLeft = false
        await this.#told
      }
    } catch (error) {
      // The native side still has them: the next run lets them go.
      for (const [request, asked] of this.#asked) {
        native().cancelRequest({ engine: this.handle, request })
        asked.fail(error)
      }
      this.#asked.clear()
      this.#hasLeft = true
    } finally {
      this.#run = undefined
    }
  }

  #hear(event: EngineEvent): void {
    this.#heard.push(event)
    if (this.#isTelling) return
    this.#isTelling = true
    this.#told = this.#tellAll()
  }

  /** Tells what was heard; where that is much, the event loop turns in between. */
  async #tellAll(): Promise<void> {
    let told = 0 // in this turn
    const turn = async () => {
      await pause()
      told = 0
    }
    for (let event = this.#heard.shift(); event; event = this.#heard.shift()) {
      const tokens = tokensOf(event)
      for (let from = 0; from < tokens.length; from += TOLD_AT_ONCE) {
        const some = tokens.slice(from, from + TOLD_AT_ONCE)
        if (told > 0 && told + some.length > TOLD_AT_ONCE) await turn()
        for (const [request, token] of some) this.#asked.get(request)?.token(token)
        native().acknowledgeTokens({ engine: this.handle, tokens: some.length })
        told += some.length
      }
      for (const ended of event.ended) this.#asked.get(ended.request)?.end(ended)
      if (this.#heard.length === 0) await turn() // events that wait already are heard before it is over
    }
    this.#isTelling = false
  }
}

/** Each token with the request that it is of. */
function tokensOf({ requests, ids, log_probs }: EngineEvent): [number, ChosenToken][] {
  const tokens = Array.from(new Int32Array(ids), (id): ChosenToken => ({ id }))
  for (const { index, log_prob, ...top } of log_probs)
    Object.assign(tokens[index]!, { logprob: log_prob, top: topOf(top) })
  return Array.from(new Int32Array(requests), (request, i) => [request, tokens[i]!])
}

function topOf({ ids, log_probs }: { ids: ArrayBuffer; log_probs: ArrayBuffer }): TokenLogprob[] {
  const logprobs = new Float32Array(log_probs)
  return Array.from(new Int32Array(ids), (id, i) => ({ id, logprob: logprobs[i]! }))
}
