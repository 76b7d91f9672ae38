/** A text encoder in memory: it embeds, classifies and fills in hidden words. Many calls may run on it at once. */
import type { EncoderSpec } from '../checkpoint/encoder_config'
import { checkLabelNames, encoderSpec } from '../checkpoint/encoder_config'
import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder'
import {
  checkOptions,
  JOB_LISTENERS,
  numberOption,
  pathOption,
  textOption,
  textsOption,
} from '../config/call_options'
import { TongueforgeError } from '../errors'
import type { JobCallbacks, PackedLayer, SparseLayer } from '../native'
import { IGNORE } from '../text/conversation'
import { hideTokens, maskingOf } from '../text/masking'
import { loadModelText, type ModelText } from '../text/model_text'
import { Random } from '../text/random'
import type { Tokenizer } from '../text/tokenizer'
import {
  type EmbedOptions,
  embedSettings,
  FILL,
  type FillOptions,
  MASKED_LOSS,
  type MaskedLossOptions,
  sharesOf,
  TEXTS,
  type TextsDone,
  type TextsOptions,
} from './encoder_options'
import { HeldHandle, type RunOnHandle } from './held_handle'
import { int32Rows } from './id_rows'
import { LOAD_OPTIONS, type LoadOptions } from './load_options'
import { type LoadedEncoder, loadedEncoder } from './loaded_encoder'

/** The label of a text, and the probabilities of all. */
export interface Classification {
  /** The label with the highest score. */
  label: string
  score: number
  /** Of all labels: probabilities, or the values themselves where the model does regression. */
  scores: Record<string, number>
}

/** A hidden token, and what may stand there. */
export interface Filling {
  /** Number of the token within the text. */
  place: number
  candidates: { token: string; id: number; probability: number }[]
}

/** Loads the folder of a text encoder, or the result of a run folder. */
export async function loadEncoder(folder: string, options: LoadOptions = {}): Promise<Encoder> {
  checkOptions('loadEncoder', options, LOAD_OPTIONS)
  pathOption('loadEncoder: folder', folder)
  const files = await openModelFolder(folder)
  const spec = encoderSpec(files.config, files.configFile, { quantized: true })
  checkLabelNames(spec, files.configFile)
  return new Encoder(files, spec, await loadedEncoder(files.path, spec, options))
}

/** A loaded text encoder: vectors, labels and filled masks, by what its head can. Many calls may run on it at a time. */
export class Encoder {
  readonly #model: HeldHandle
  private readonly threads: number
  #text: Promise<ModelText> | undefined
  /** Tensors of the folder that belong to another class than config.json names, and are not read. */
  readonly unread: readonly string[]
  /** With sparse: auto, the layers that were timed and how they are multiplied. */
  readonly sparse: readonly SparseLayer[] | undefined
  /** With quantized: auto or packed, the same of quantised layers. */
  readonly packed: readonly PackedLayer[] | undefined

  /** Made by loadEncoder. */
  constructor(
    /** The folder's small files. */
    readonly files: ModelFolder,
    readonly spec: EncoderSpec,
    { handle, threads, unread, timed }: LoadedEncoder,
  ) {
    this.threads = threads
    this.unread = unread
    this.sparse = timed.sparse
    this.packed = timed.packed
    this.#model = new HeldHandle(handle, 'encoder')
  }

  /** The folder's tokenizer and special tokens, loaded at their first use. Throws ERR_TOKENIZER. */
  text(): Promise<ModelText> {
    this.#text ??= loadModelText(this.files)
    return this.#text
  }

  /** A vector for each text, or for the one that is given. Throws ERR_DATA for a text that is too long. */
  async embed(texts: string | readonly string[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    return this.#model.call(async (run) => {
      const settings = embedSettings(options)
      return this.#embed(run, await this.#encode('embed', texts, options), settings)
    })
  }

  /** As embed, of token ids, special ones included. */
  async embedIds(rows: readonly ArrayLike<number>[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    return this.#model.call(async (run) =>
      this.#embed(run, int32Rows('embedIds: rows', rows), embedSettings(options)),
    )
  }

  /** The label of each text. Throws ERR_MODEL_CONFIG for a model without a classification head. */
  async classify(texts: string | readonly string[], options: TextsOptions = {}): Promise<Classification[]> {
    return this.#model.call(async (run) => {
      checkOptions('classify', options, TEXTS)
      const logits = await this.#classify(run, await this.#encode('classify', texts, options), options)
      return logits.map((row) => this.#classification(row))
    })
  }

  /** Logits of the labels for rows of token ids. */
  async classifyIds(
    rows: readonly ArrayLike<number>[],
    callbacks: JobCallbacks<TextsDone> = {},
  ): Promise<Float32Array[]> {
    return this.#model.call(async (run) => {
      checkOptions('classifyIds', callbacks, JOB_LISTENERS)
      return this.#classify(run, int32Rows('classifyIds: rows', rows), callbacks)
    })
  }

  /**
   * What may stand at each mask token of a text, the `topK` (default 5) likeliest, the likeliest first. Throws
   * ERR_MODEL_CONFIG, ERR_DATA.
   */
  async fillMask(text: string, options: FillOptions = {}): Promise<Filling[]> {
    return this.#model.call(async (run) => {
      checkOptions('fillMask', options, FILL)
      return this.#fillMask(run, text, options)
    })
  }

  async #fillMask(run: RunOnHandle, text: string, { topK = 5, ...options }: FillOptions): Promise<Filling[]> {
    const top_k = numberOption('topK', topK, { least: 1, most: 2 ** 30, whole: true })
    const { tokenizer, maskTokenId: mask_id } = await this.text()
    maskingOf(await this.text())
    const rows = await this.#encode('fillMask', [textOption('fillMask: text', text)], options)
    if (!rows[0]!.includes(mask_id!)) throw nothingHidden(tokenizer.idToToken(mask_id!)!)
    const call = { rows, mask_id: mask_id!, top_k, threads: this.threads }
    const found = await run('fillMasks', call, options as JobCallbacks)
    return found.map(({ place, ids, probabilities }) => ({
      place,
      candidates: [...new Int32Array(ids)].map((id, i) => ({
        token: tokenizer.idToToken(id) ?? '',
        id,
        probability: probabilities[i]!,
      })),
    }))
  }

  /** Logits (B,T,V) of rows of equal length. Holds all of them in memory: for inspection and tests. */
  async logits(rows: readonly ArrayLike<number>[]): Promise<{ data: Float32Array; shape: number[] }> {
    return this.#model.call(async (run) => {
      const { data, shape } = await run('logits', {
        rows: int32Rows('logits: rows', rows),
        threads: this.threads,
      })
      return { data: new Float32Array(data), shape }
    })
  }

  /**
   * How well hidden tokens of held-out texts are predicted: the mean over them. Rows are token ids, special ones
   * included, which are never hidden. The same seed hides the same tokens of the same rows.
   */
  async maskedLoss(
    rows: readonly ArrayLike<number>[],
    options: MaskedLossOptions = {},
  ): Promise<{ loss: number; tokens: number }> {
    return this.#model.call(async (run) => {
      checkOptions('maskedLoss', options, MASKED_LOSS)
      return this.#maskedLoss(run, rows, options)
    })
  }

  async #maskedLoss(
    run: RunOnHandle,
    rows: readonly ArrayLike<number>[],
    { seed: given = 1, signal, onProgress, ...options }: MaskedLossOptions,
  ): Promise<{ loss: number; tokens: number }> {
    const seed = numberOption('seed', given, { least: 0, most: Number.MAX_SAFE_INTEGER, whole: true })
    const shares = sharesOf(options)
    const text = await this.text()
    const masking = maskingOf(text, shares)
    let [sum, tokens] = [0, 0]
    for (const [i, row] of int32Rows('maskedLoss: rows', rows).entries()) {
      const ids = row.slice()
      const labels = row.map((id) => (text.tokenizer.isSpecialToken(id) ? IGNORE : id))
      if (hideTokens(ids, labels, masking, new Random(seed, i)) > 0) {
        const batch = { ids, labels, segments: new Int32Array(ids.length), rows: 1 }
        const call = { batch, loss: { kind: 'masked' as const }, threads: this.threads }
        const said = await run('modelLoss', call, { signal })
        sum += said.sum
        tokens += said.count
      }
      onProgress?.({ done: i + 1, total: rows.length })
    }
    if (tokens === 0) throw noneHidden()
    return { loss: sum / tokens, tokens }
  }

  /** Frees the weights once running calls have ended. */
  dispose(): Promise<void> {
    return this.#model.dispose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  async #embed(
    run: RunOnHandle,
    rows: Int32Array[],
    { pooling, normalize, callbacks }: ReturnType<typeof embedSettings>,
  ): Promise<Float32Array[]> {
    const call = { rows, pooling, normalize, threads: this.threads }
    return vectors(await run('embed', call, callbacks as JobCallbacks))
  }

  async #classify(
    run: RunOnHandle,
    rows: Int32Array[],
    callbacks: JobCallbacks<TextsDone>,
  ): Promise<Float32Array[]> {
    return vectors(await run('classify', { rows, threads: this.threads }, callbacks as JobCallbacks))
  }

  async #encode(
    call: string,
    texts: string | readonly string[],
    { truncate }: TextsOptions,
  ): Promise<Int32Array[]> {
    const list = textsOption(`${call}: texts`, typeof texts === 'string' ? [texts] : texts)
    const { tokenizer } = await this.text()
    const rows = await tokenizer.encodeBatch(list)
    return truncate ? cutToFit(rows, tokenizer, this.spec) : rows
  }

  // As the pipeline of transformers reads problem_type: one label alone is never a choice.
  #classification(logits: Float32Array): Classification {
    const { labels, problem_type } = this.spec
    const alone = problem_type === 'multi_label_classification' || labels.length === 1
    const values =
      problem_type === 'regression' ? [...logits] : alone ? [...logits].map(sigmoid) : softmax(logits)
    const best = values.indexOf(Math.max(...values))
    return {
      label: labels[best]!,
      score: values[best]!,
      scores: Object.fromEntries(labels.map((label, i) => [label, values[i]!])),
    }
  }
}

/** Rows that are longer than the model has positions, cut; special tokens behind a text stay. */
export async function cutToFit(
  rows: readonly Int32Array[],
  tokenizer: Tokenizer,
  { max_positions, first_position }: EncoderSpec,
): Promise<Int32Array[]> {
  const room = max_positions - first_position
  const { suffix } = await tokenizer.addedAround()
  return rows.map((row) =>
    row.length <= room ? row : Int32Array.from([...row.subarray(0, room - suffix.length), ...suffix]),
  )
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

function softmax(logits: Float32Array): number[] {
  const most = Math.max(...logits)
  const exponentials = [...logits].map((x) => Math.exp(x - most))
  const sum = exponentials.reduce((total, x) => total + x, 0)
  return exponentials.map((x) => x / sum)
}

function vectors({ data, shape: [count, width] }: { data: ArrayBuffer; shape: number[] }): Float32Array[] {
  const all = new Float32Array(data)
  return Array.from({ length: count! }, (_, i) => all.slice(i * width!, (i + 1) * width!))
}

const noneHidden = () =>
  new TongueforgeError('ERR_DATA', 'Expected rows with a token that is hidden, received none', {
    hint: 'Special tokens are never hidden; probability: 1 hides all others.',
  })

const nothingHidden = (token: string) =>
  new TongueforgeError('ERR_DATA', `Expected a text with ${token} in it, received one without`, {
    hint: `Write ${token} where a word is to be filled in.`,
  })
