/** A model in memory: it generates, chats, scores and takes grafts. Many calls may run on it at once. */
import { join } from 'node:path'
import type { DecoderSpec } from '../checkpoint/model_config'
import type { ModelFolder } from '../checkpoint/model_folder'
import { quantised } from '../checkpoint/quantization_config'
import { checkOptions, JOB_LISTENERS, listOption, numberOption, textOption } from '../config/call_options'
import { TongueforgeError } from '../errors'
import { access } from '../files'
import {
  type CountProgress,
  type EngineStats,
  type Handle,
  type JobCallbacks,
  type NativeJobs,
  type PackedLayer,
  runJob,
  type SparseLayer,
} from '../native'
import type { Message } from '../text/chat_template'
import { loadModelText, type ModelText } from '../text/model_text'
import { int32Row } from '../text/token_ids'
import {
  type GeneratedIds,
  type GeneratedPiece,
  type GenerateOptions,
  type Generation,
  generatedIds,
  generateText,
  samplingSettings,
  type Writer,
} from './generate'
import { firstTargetOf, firstTargetsOf, int32Rows, stopRow } from './id_rows'
import { checkDelta, type Delta } from './live/deltas'
import { graftedModel, LIVE_GRAFT, type LiveGraftOptions, type LiveGraftReport } from './live/graft'
import { LiveWeights } from './live/weights'
import {
  ID_OPTIONS,
  type IdOptions,
  LIKELIHOODS,
  type LikelihoodOptions,
  SCORE_IDS,
  type ScoreOptions,
} from './model_options'
import { chatIds, promptIds } from './prompts'
import type { Run } from './run'
import { RunningCalls } from './running_calls'
import { answersOf } from './serving/answers'
import type { Engine } from './serving/engine'
import type { TimedLayers } from './timed_layers'

/** How well a model knows a text: natural logarithms over the predicted tokens. */
export interface Score {
  /** Tokens that were predicted. */
  tokens: number
  /** Sum of -ln p(token | those before it). */
  nll: number
  /** exp(nll / tokens). */
  perplexity: number
}

/** A context and its continuation as ids of one row. */
export interface LikelihoodRequest {
  ids: ArrayLike<number>
  /** Index of the continuation's first token, from 1. */
  firstTarget: number
}

/** Of one request: the natural logarithm of its probability, and whether greedy writing would have given it. */
export interface Likelihood {
  log_likelihood: number
  is_greedy: boolean
}

/** A loaded model that writes text. Many calls may run on it at a time; `dispose` frees it. */
export class Model {
  readonly #calls = new RunningCalls('model')
  readonly #weights: LiveWeights
  #text: Promise<ModelText> | undefined
  #hasTokenizer: Promise<boolean> | undefined
  #gone: Promise<void> | undefined
  /** With sparse: auto, the layers that were timed and how they are multiplied. */
  readonly sparse: readonly SparseLayer[] | undefined
  /** With quantized: auto or packed, the same of quantised layers. */
  readonly packed: readonly PackedLayer[] | undefined

  /** Made by loadModel. */
  constructor(
    /** The folder's small files. */
    readonly files: ModelFolder,
    readonly spec: DecoderSpec,
    handle: Handle,
    private readonly threads: number,
    timed: TimedLayers = {},
    private readonly engine?: Engine,
  ) {
    this.sparse = timed.sparse
    this.packed = timed.packed
    this.#weights = new LiveWeights(handle, engine)
  }

  /** The folder's tokenizer, chat template and stop ids, loaded at their first use. Throws ERR_TOKENIZER. */
  text(): Promise<ModelText> {
    this.#text ??= loadModelText(this.files)
    return this.#text
  }

  /** Continues a text, or token ids. Iterate over the pieces, or await `.result`. */
  generate(
    prompt: string | ArrayLike<number>,
    options: GenerateOptions = {},
  ): Run<GeneratedPiece, Generation> {
    return this.#write('generate', () => promptIds(this, prompt), options)
  }

  /** Answers the last turn of a conversation, in the model's own chat template. */
  chat(messages: readonly Message[], options: GenerateOptions = {}): Run<GeneratedPiece, Generation> {
    return this.#write('chat', () => chatIds(this, messages), options)
  }

  /** Log-likelihood of a text, through a sliding window where it is longer than the model's context. */
  async score(text: string, options: JobCallbacks = {}): Promise<Score> {
    return this.#calls.run(async () => {
      checkOptions('score', options, JOB_LISTENERS)
      const ids = await (await this.text()).tokenizer.encode(textOption('score: text', text))
      if (ids.length < 2) throw tooShort(ids.length)
      const [score] = await this.#score([ids], 1, options)
      return { ...score!, perplexity: Math.exp(score!.nll / score!.tokens) }
    })
  }

  /**
   * Log-likelihood of token sequences, one result a row. `firstTarget`: index of the first token that counts
   * (default 1: the first token has nothing before it). Throws ERR_USAGE where a row has no token there.
   */
  async scoreIds(
    rows: readonly ArrayLike<number>[],
    options: ScoreOptions = {},
  ): Promise<{ tokens: number; nll: number }[]> {
    return this.#calls.run(async () => {
      checkOptions('scoreIds', options, SCORE_IDS)
      const { firstTarget = 1, ...callbacks } = options
      return this.#score(int32Rows('scoreIds: rows', rows), firstTargetOf(rows, firstTarget), callbacks)
    })
  }

  /**
   * Log-likelihoods of what stands in rows of ids from their first target on, natural logarithm, and whether each token of
   * it is the most probable one there. Rows that begin alike share that work. `batchTokens`: how many go through the model
   * at once; default: by the device.
   */
  async likelihoods(
    requests: readonly LikelihoodRequest[],
    options: LikelihoodOptions = {},
  ): Promise<Likelihood[]> {
    return this.#calls.run(async () => {
      checkOptions('likelihoods', options, LIKELIHOODS)
      const { batchTokens = 0, ...callbacks } = options
      const batch_tokens = numberOption('batchTokens', batchTokens, FROM_NONE)
      const rows = rowsOf(requests)
      const first_targets = firstTargetsOf(requests)
      return this.#run('likelihoods', { rows, first_targets, batch_tokens }, callbacks)
    })
  }

  /** Logits (B,T,V) of rows of equal length. Holds all of them in memory: for inspection and tests. */
  async logits(rows: readonly ArrayLike<number>[]): Promise<{ data: Float32Array; shape: number[] }> {
    return this.#calls.run(async () => {
      const { data, shape } = await this.#run('logits', { rows: int32Rows('logits: rows', rows) })
      return { data: new Float32Array(data), shape }
    })
  }

  /** Continues token sequences; those of equal length run as one batch. Row i samples with seed + i. */
  async generateIds(prompts: readonly ArrayLike<number>[], options: IdOptions = {}): Promise<GeneratedIds[]> {
    return this.#calls.run(async () => {
      checkOptions('generateIds', options, ID_OPTIONS)
      return this.#generate(prompts, options)
    })
  }

  /** Of a model that was loaded with `serving`: what it does now, and has done. Throws ERR_USAGE for others. */
  stats(): EngineStats {
    this.#calls.check()
    if (!this.engine) throw notServing('stats')
    return this.engine.stats()
  }

  /**
   * Throws ERR_QUEUE_FULL where so many requests more would find no place, run or wait: before work that they need first.
   * ERR_USAGE for a model that was loaded without `serving`.
   */
  checkRoom(requests = 1): void {
    this.#calls.check()
    if (!this.engine) throw notServing('checkRoom')
    this.engine.checkRoom(numberOption('checkRoom: requests', requests, FROM_NONE))
  }

  /** The ids that end a text or a turn of this model; without a tokenizer, what its configs say. */
  async stopIds(): Promise<readonly number[]> {
    if (await this.hasTokenizer()) return (await this.text()).stopIds
    return this.files.generation.eosTokenIds
  }

  /** Whether the folder can turn text into ids; a model without still runs on ids. */
  hasTokenizer(): Promise<boolean> {
    this.#hasTokenizer ??= access(join(this.files.path, 'tokenizer.json')).then(
      () => true,
      () => false,
    )
    return this.#hasTokenizer
  }

  /**
   * Puts a delta on the weights that were loaded: target + scale * delta, the bits that `graft` writes for a target of
   * this dtype. It takes the place of an earlier graft. Calls that are running end on the weights they began with.
   * Tokenizer and template stay. Stopped or failed, it leaves the weights as they were.
   */
  async graft(delta: Delta, options: LiveGraftOptions = {}): Promise<LiveGraftReport> {
    checkOptions('graft', options, LIVE_GRAFT)
    checkDelta(delta)
    return this.#swapping(async () => {
      if (this.spec.quantization) throw quantised(this.files.configFile)
      const start = performance.now()
      const { files: folder, spec, threads } = this
      const target = { folder, spec, handle: this.#weights.loaded, threads }
      const { model, ...report } = await graftedModel(target, delta, options)
      this.#weights.use(model)
      return { ...report, seconds: (performance.now() - start) / 1000 }
    })
  }

  /** Takes the graft off: the weights are those that were loaded, bit for bit. */
  ungraft(): Promise<void> {
    return this.#swapping(async () => this.#weights.use(this.#weights.loaded))
  }

  /** Frees the weights once running calls have ended. */
  dispose(): Promise<void> {
    this.#gone ??= this.#dispose()
    return this.#gone
  }

  async #dispose(): Promise<void> {
    await this.#calls.end()
    await this.engine?.dispose()
    this.#weights.dispose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #write(
    verb: Writer['verb'],
    promptIds: () => Promise<Int32Array>,
    options: GenerateOptions,
  ): Run<GeneratedPiece, Generation> {
    const writer: Writer = {
      ...{ verb, model: this },
      call: (work) => this.#calls.run(work),
      generateIds: (prompts, options) => this.#generate(prompts, options),
    }
    return generateText(writer, promptIds, options)
  }

  async #generate(prompts: readonly ArrayLike<number>[], options: IdOptions): Promise<GeneratedIds[]> {
    const { log_probs, ...sampling } = samplingSettings(options)
    const rows = int32Rows('generateIds: prompts', prompts)
    const stop_ids =
      options.stopIds == null
        ? Int32Array.from(await this.stopIds())
        : stopRow(options.stopIds, this.spec.vocab_size)
    if (this.engine) return answersOf(this.engine, rows, { stop_ids, log_probs, ...sampling }, options)
    if (log_probs >= 0) throw notServing('logprobs')
    const stream = options.onToken !== undefined
    const settings = { prompts: rows, stop_ids, stream, ...sampling }
    const results = await this.#run('generate', settings, {
      signal: options.signal,
      onItem: (item) => options.onToken?.(item as { row: number; id: number }),
    })
    return generatedIds(results)
  }

  #score(
    rows: Int32Array[],
    first_target: number,
    callbacks: JobCallbacks,
  ): Promise<{ tokens: number; nll: number }[]> {
    return this.#run('score', { rows, window: 0, stride: 0, first_target }, callbacks)
  }

  #run<Name extends 'score' | 'likelihoods' | 'logits' | 'generate'>(
    name: Name,
    options: Omit<NativeJobs[Name][0], 'model' | 'threads'>,
    callbacks: JobCallbacks<CountProgress> = {},
  ): Promise<NativeJobs[Name][1]> {
    const call = { ...options, model: this.#weights.now, threads: this.threads } as NativeJobs[Name][0]
    return runJob(name, call, callbacks)
  }

  /** One change of weights after another. */
  #swapping<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#calls.run(() => this.#weights.change(work))
  }
}

const FROM_NONE = { least: 0, most: 2 ** 30, whole: true }

/** Throws ERR_USAGE for what are no requests. */
function rowsOf(requests: readonly LikelihoodRequest[]): Int32Array[] {
  const list = listOption('likelihoods: requests', requests, '{ ids, firstTarget }')
  return Array.from(list, (one, i) =>
    int32Row(`likelihoods: requests[${i}].ids`, (Object(one) as LikelihoodRequest).ids),
  )
}

const tooShort = (tokens: number) =>
  new TongueforgeError('ERR_DATA', `Expected a text of at least two tokens, received ${tokens}`)

function notServing(what: string): TongueforgeError {
  return new TongueforgeError('ERR_USAGE', `${what}: expected a model that was loaded with serving: true`, {
    hint: 'loadModel(folder, { serving: true })',
  })
}
