/** A long piece of work seen from outside: its items by `for await`, its end by `.result`. */
import { abortWith } from '../abort'
import { checkOptions, type Kinds } from '../config/call_options'

export interface RunOptions {
  signal?: AbortSignal | undefined
  /** Items kept for a reader that is late; older ones are dropped. Default: all are kept. */
  capacity?: number
}

/**
 * Starts at once, whether or not anybody reads. Leaving the loop early stops the work; failures reach the loop and
 * `.result` alike.
 */
export class Run<Item, Result> implements AsyncIterable<Item> {
  readonly result: Promise<Result>
  readonly #stop = new AbortController()
  readonly #items: Item[] = []
  readonly #capacity: number
  #ended = false
  /** Readers that wait for an item: of several, all are told. */
  #waiting: (() => void)[] = []

  constructor(
    body: (emit: (item: Item) => void, signal: AbortSignal) => Promise<Result>,
    { signal, capacity = Number.POSITIVE_INFINITY }: RunOptions = {},
  ) {
    this.#capacity = capacity
    const letGo = abortWith(this.#stop, signal)
    this.result = body((item) => this.#emit(item), this.#stop.signal).finally(() => {
      letGo()
      this.#ended = true
      this.#wakeAll()
    })
    this.result.catch(() => {}) // whoever only iterates hears of the failure there
  }

  #emit(item: Item): void {
    this.#items.push(item)
    if (this.#items.length > this.#capacity) this.#items.shift()
    this.#wakeAll()
  }

  #wakeAll(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    try {
      for (;;) {
        while (this.#items.length > 0) yield this.#items.shift()!
        if (this.#ended) break
        await new Promise<void>((resolve) => {
          this.#waiting.push(resolve)
        })
      }
      await this.result
    } finally {
      if (!this.#ended) {
        this.#stop.abort(new DOMException('The reader has left', 'AbortError'))
        await this.result.catch(() => {})
      }
    }
  }
}

/** The run of a verb: what is wrong with its options is a failure of the run, like all that comes later. */
export function startRun<Item, Result, Options extends Pick<RunOptions, 'signal'>>(
  verb: string,
  options: Options,
  kinds: Kinds<Options>,
  body: (context: RunContext<Item>) => Promise<Result>,
): Run<Item, Result> {
  const checked = async (context: RunContext<Item>) => {
    checkOptions(verb, options, kinds)
    return body(context)
  }
  return new Run((emit, signal) => checked({ emit, signal }), { signal: signalOf(options) })
}

/** What the body of a run works with. */
export interface RunContext<Item> {
  emit: (item: Item) => void
  signal: AbortSignal
}

/** Of options that may be anything yet. */
export const signalOf = (options: Pick<RunOptions, 'signal'> | null): AbortSignal | undefined =>
  options?.signal instanceof AbortSignal ? options.signal : undefined

/** What a long verb that follows a config may be told beside it. */
export interface ConfiguredOptions<Progress> {
  /** `key.path=value` pairs, set over the config. */
  overrides?: readonly string[] | undefined
  /** Check everything and return the plan; do nothing. */
  dryRun?: boolean | undefined
  /** Keep what an earlier run has finished and is as it was, and go on; else start. */
  resume?: boolean | undefined
  /** Replace an earlier run. */
  overwrite?: boolean | undefined
  /** Stops the work, which rejects with its reason. */
  signal?: AbortSignal | undefined
  /** Hears of what a human should know. */
  onWarning?: ((message: string) => void) | undefined
  /** Hears of the work as it goes on. */
  onProgress?: ((progress: Progress) => void) | undefined
}

export const CONFIGURED: Kinds<ConfiguredOptions<never>> = {
  overrides: 'any',
  dryRun: 'flag',
  resume: 'flag',
  overwrite: 'flag',
  signal: 'signal',
  onWarning: 'function',
  onProgress: 'function',
}

/** Of those that can be gone on with. */
export const RESUMABLE: Kinds<ConfiguredOptions<never> & { onKept?: (() => void) | undefined }> = {
  ...CONFIGURED,
  onKept: 'function',
}

/** Options of a run that does its work. */
export type FullRun<Options> = Options & { dryRun?: false | undefined }

/** Options of a run that only tells what it would do. */
export type DryRun<Options> = Options & { dryRun: true }

/** Work that goes on, for a bar. */
export interface LabelledProgress {
  label: string
  done: number
  total: number
}
