/** From tokens to text as it comes: stop strings, streaming, speed. */
import { abortWith } from '../abort'
import { type Kinds, numberOption } from '../config/call_options'
import { shown } from '../config/parse'
import { TongueforgeError } from '../errors'
import type { NativeJobs, SamplingSettings } from '../native'
import { StopStrings } from '../text/stop_strings'
import type { StreamDecoder } from '../text/stream_decoder'
import type { Model } from './model'
import type { IdOptions } from './model_options'
import { type Run, startRun } from './run'
import type { ChosenToken, TokenLogprob, Usage } from './serving/engine'

/** How an answer is written, and when it ends. */
export interface GenerateOptions {
  /** Default 256. */
  maxNewTokens?: number | undefined
  /** 0 (default): greedy, always the most probable token. */
  temperature?: number | undefined
  /** Sample from the k most probable tokens. */
  topK?: number | undefined
  /** Sample from the smallest set of tokens whose probability reaches p. */
  topP?: number | undefined
  /** Leave out tokens less probable than this times the best. */
  minP?: number | undefined
  /** Above 1: discourage tokens that have occurred. */
  repetitionPenalty?: number | undefined
  /** Text, or texts, that end the answer; they are not part of it. */
  stop?: string | readonly string[] | undefined
  /** Same seed, same text. Default 0. */
  seed?: number | undefined
  /** Of a model that was loaded with `serving`: log-probability of each new token, and so many of the most probable ones. */
  logprobs?: number | undefined
  /** The text stands alone, as an answer of `chat` does: without the space before its first word. Default: no. */
  standalone?: boolean | undefined
  /** Stops it, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Hears of every token as it comes. */
  onToken?: ((token: { row: number } & ChosenToken) => void) | undefined
}

/** Of all that make tokens. Numbers have their ranges below. */
export const SAMPLING: Kinds<Omit<GenerateOptions, 'stop' | 'standalone'>> = {
  maxNewTokens: 'any',
  temperature: 'any',
  topK: 'any',
  topP: 'any',
  minP: 'any',
  repetitionPenalty: 'any',
  seed: 'any',
  logprobs: 'any',
  signal: 'signal',
  onToken: 'function',
}

const OPTIONS: Kinds<GenerateOptions> = { ...SAMPLING, stop: 'any', standalone: 'flag' }

/** What has been added to an answer since the last piece: text once it is whole, ids at once. */
export interface GeneratedPiece {
  /** Whole characters alone. */
  text: string
  /** The tokens behind it. */
  ids: number[]
  /** Of the ids, with the option `logprobs`. */
  logprobs?: PlacedLogprob[]
}

/** Of a new token; `top`: the most probable ones in its place. */
export interface Logprob extends TokenLogprob {
  /** The most probable tokens in its place, as many as were asked for. */
  top: TokenLogprob[]
}

export interface PlacedLogprob extends Logprob {
  /** Where in the answer the text of the token begins: of a part of a character, where that does. */
  offset: number
}

/** The new text and tokens only. */
export interface Generation {
  /** The answer, without the prompt and without what stopped it. */
  text: string
  /** The new tokens; an id that ends a sequence is not among them. */
  ids: number[]
  /** `stop`: a token or text that ends it; `length`: maxNewTokens, or the context. */
  finish_reason: 'stop' | 'length'
  /** After the first token; 0 where there are not two. */
  tokens_per_second: number
  /** Tokens read and written. */
  usage: Usage
  /** Of the ids, with the option `logprobs`. */
  logprobs?: PlacedLogprob[]
}

type NumberOption =
  | 'maxNewTokens'
  | 'temperature'
  | 'topK'
  | 'topP'
  | 'minP'
  | 'repetitionPenalty'
  | 'seed'
  | 'logprobs'

// [default, least, most, whole number]
const RANGES: Record<NumberOption, [number, number, number, boolean]> = {
  maxNewTokens: [256, 0, 2 ** 30, true],
  temperature: [0, 0, 100, false],
  topK: [0, 0, 2 ** 30, true],
  topP: [1, 0, 1, false],
  minP: [0, 0, 1, false],
  repetitionPenalty: [1, 0.01, 100, false],
  seed: [0, 0, Number.MAX_SAFE_INTEGER, true],
  logprobs: [-1, 0, 1000, true],
}

/** Defaults and checks. Throws ERR_USAGE that names the option. */
export function samplingSettings(
  options: GenerateOptions,
): SamplingSettings & { max_new_tokens: number; log_probs: number } {
  const read = (name: NumberOption): number => {
    const [otherwise, least, most, whole] = RANGES[name]
    const value = options[name]
    return value === undefined ? otherwise : numberOption(name, value, { least, most, whole })
  }
  return {
    max_new_tokens: read('maxNewTokens'),
    temperature: read('temperature'),
    top_k: read('topK'),
    top_p: read('topP'),
    min_p: read('minP'),
    repetition_penalty: read('repetitionPenalty'),
    seed: read('seed'),
    log_probs: read('logprobs'),
  }
}

const TEXTS = 'a text, or a list of texts'

/** As a list. Throws ERR_USAGE for what is neither a text nor a list of texts. */
function stopTexts(stop: GenerateOptions['stop']): readonly string[] {
  if (typeof stop === 'string') return [stop]
  const texts = stop ?? []
  if (Array.isArray(texts) && texts.every((text) => typeof text === 'string')) return texts
  throw new TongueforgeError('ERR_USAGE', `stop: expected ${TEXTS}, received ${shown(stop)}`, {
    hint: "stop: ['the end']",
    details: { option: 'stop', expected: TEXTS, received: stop },
  })
}

/** What a batch of prompts was continued by. */
export interface GeneratedIds {
  /** The new tokens only. */
  ids: number[]
  /** `stop`: one of the ids that end it; `length`: maxNewTokens, or the context. */
  finish_reason: 'stop' | 'length'
  /** With the option `logprobs`, of the ids. */
  logprobs?: Logprob[]
}

export function generatedIds(rows: NativeJobs['generate'][1]): GeneratedIds[] {
  return rows.map(({ ids, stopped }) => ({
    ids: [...new Int32Array(ids)],
    finish_reason: stopped ? 'stop' : 'length',
  }))
}

/** What a text is made with: the model, and its ways of counting a call and of continuing ids within one. */
export interface Writer {
  /** An answer of `chat` stands alone. */
  verb: 'generate' | 'chat'
  model: Model
  call<Result>(work: () => Promise<Result>): Promise<Result>
  generateIds(prompts: readonly Int32Array[], options: IdOptions): Promise<GeneratedIds[]>
}

/**
 * Generates from one prompt, giving out text as it becomes final. A continuation keeps the space before its first
 * word; a `standalone` text, an answer, does not.
 */
export function generateText(
  writer: Writer,
  promptIds: () => Promise<Int32Array>,
  options: GenerateOptions,
): Run<GeneratedPiece, Generation> {
  return startRun(writer.verb, options, OPTIONS, ({ emit, signal }) =>
    writer.call(async () => new TextGeneration(writer, options, emit).run(promptIds, signal)),
  )
}

class TextGeneration {
  readonly #enough = new AbortController() // a stop string was found, or the call is aborted
  readonly #stop: StopStrings
  readonly #ids: number[] = []
  readonly #logprobs: PlacedLogprob[] = []
  #usage: Usage | undefined
  #text = ''
  #decoded = 0 // characters, with those that a stop string may yet take away
  #decoder: StreamDecoder | undefined // none: a model without a tokenizer speaks in ids
  #firstToken = 0
  #lastToken = 0

  constructor(
    private readonly writer: Writer,
    private readonly options: GenerateOptions,
    private readonly emit: (piece: GeneratedPiece) => void,
  ) {
    this.#stop = new StopStrings(stopTexts(options.stop))
  }

  async run(promptIds: () => Promise<Int32Array>, signal: AbortSignal): Promise<Generation> {
    const { model, verb } = this.writer
    const prompt = await promptIds()
    if (await model.hasTokenizer()) {
      const context = verb === 'chat' || this.options.standalone ? [] : prompt
      this.#decoder = (await model.text()).tokenizer.stream({ context })
    }
    const finishReason = await this.#generate(prompt, signal)
    this.#give(this.#stop.push(this.#decoder?.flush() ?? '') + this.#stop.flush(), [])
    const seconds = (this.#lastToken - this.#firstToken) / 1000
    const cached_tokens = this.#usage?.cached_tokens ?? 0
    return {
      text: this.#text,
      ids: this.#ids,
      finish_reason: this.#stop.found ? 'stop' : finishReason,
      tokens_per_second: seconds > 0 ? (this.#ids.length - 1) / seconds : 0,
      usage: { prompt_tokens: prompt.length, cached_tokens, new_tokens: this.#ids.length },
      ...(this.options.logprobs === undefined ? {} : { logprobs: this.#logprobs }),
    }
  }

  async #generate(prompt: Int32Array, signal: AbortSignal): Promise<'stop' | 'length'> {
    const letGo = abortWith(this.#enough, signal)
    const options = {
      ...this.options,
      signal: this.#enough.signal,
      onToken: (token: { row: number } & ChosenToken) => this.#take(token),
      onUsage: (usage: Usage) => {
        this.#usage = usage
      },
    }
    try {
      const [result] = await this.writer.generateIds([prompt], options)
      return result!.finish_reason
    } catch (error) {
      if (this.#stop.found && !signal.aborted) return 'stop'
      throw error
    } finally {
      letGo()
    }
  }

  #take(token: { row: number } & ChosenToken): void {
    if (this.#stop.found) return // tokens that were under way when the stop string came
    this.options.onToken?.(token)
    this.#lastToken = performance.now()
    this.#firstToken ||= this.#lastToken
    this.#ids.push(token.id)
    const logprob = logprobOf(token)
    const placed = logprob && { ...logprob, offset: this.#decoded }
    const text = this.#decoder?.push(token.id) ?? ''
    this.#decoded += text.length
    this.#give(this.#stop.push(text), [token.id], placed)
    if (this.#stop.found) this.#enough.abort()
  }

  #give(text: string, ids: number[], logprob?: PlacedLogprob): void {
    this.#text += text
    if (logprob) this.#logprobs.push(logprob)
    if (text !== '' || ids.length > 0) this.emit({ text, ids, ...(logprob && { logprobs: [logprob] }) })
  }
}

/** What a token says of its probability, where that was asked for. */
export function logprobOf({ id, logprob, top = [] }: ChosenToken): Logprob | undefined {
  return logprob === undefined ? undefined : { id, logprob, top }
}
