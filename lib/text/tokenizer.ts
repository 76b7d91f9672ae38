import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Decoder, Tokenizer as HubTokenizer } from 'tokenizers'
import { readTextFileIfPresent } from '../checkpoint/json_file'
import { checkOptions, refused, textOption, textsOption } from '../config/call_options'
import { TongueforgeError } from '../errors'
import { access } from '../files'
import { pause } from './pause'
import { type PieceDecoder, StreamDecoder, type StreamDecoderOptions } from './stream_decoder'
import { int32Row } from './token_ids'
import { tokenizerProblem } from './tokenizer_file'

export interface EncodeOptions {
  /** Add what the tokenizer's post-processor adds, e.g. BOS (default true). */
  addSpecialTokens?: boolean
}

export interface DecodeOptions {
  /** Leave special tokens out of the text (default true). */
  skipSpecialTokens?: boolean
}

/** A token that was added to the model's own vocabulary, e.g. `<|im_end|>`. */
export interface AddedToken {
  id: number
  content: string
  special: boolean
}

const MAX_FILE_BYTES = 256 * 1024 * 1024
/** Characters that one call of the library encodes; it runs beside the event loop, but its answer is read on it. */
const SLICE_CHARACTERS = 16 * 1024

/**
 * A Hugging Face fast tokenizer (tokenizer.json). Encoding and decoding run on other threads; loading is synchronous,
 * some 100 ms per 10 MB of tokenizer.json.
 */
export class Tokenizer implements PieceDecoder {
  private readonly specialIds: ReadonlySet<number>
  private readonly decoder: Decoder | null
  private lastTurn = Promise.resolve()
  private affixes: Promise<{ prefix: number[]; suffix: number[] }> | undefined

  private constructor(
    private readonly hub: HubTokenizer,
    readonly addedTokens: readonly AddedToken[],
    /** SHA-256 of tokenizer.json: equal hashes, equal ids. */
    readonly sha256: string,
    /** One more than the largest id: above `vocabSize` where ids are left out in between. */
    readonly idCount: number,
    /** What errors call it. */
    private readonly file: string,
  ) {
    this.specialIds = new Set(addedTokens.filter(({ special }) => special).map(({ id }) => id))
    this.decoder = hub.getDecoder()
  }

  /** Loads tokenizer.json of a model folder. Throws ERR_TOKENIZER if there is none, or none that can be read. */
  static async load(folder: string): Promise<Tokenizer> {
    const file = join(folder, 'tokenizer.json')
    const text = await readTextFileIfPresent(file, { code: 'ERR_TOKENIZER', maxBytes: MAX_FILE_BYTES })
    if (text === undefined) throw await missingFile(folder)
    return Tokenizer.fromJson(text, file)
  }

  /** Makes a tokenizer of the content of a tokenizer.json; `file` is only named in errors. */
  static fromJson(text: string, file = 'tokenizer.json'): Tokenizer {
    try {
      const content = JSON.parse(text)
      const problem = tokenizerProblem(content)
      if (problem) throw new Error(problem)
      const hub = HubTokenizer.fromString(text)
      // A file may ask for truncation or padding; we do both ourselves, and visibly.
      hub.disableTruncation()
      hub.disablePadding()
      const hash = createHash('sha256').update(text).digest('hex')
      const added = addedTokens(content, hub)
      return new Tokenizer(hub, added, hash, idCountOf(content.model.vocab, added), file)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new TongueforgeError(
        'ERR_TOKENIZER',
        `${file}: expected a tokenizer, received a file that is none: ${reason}`,
        {
          hint: 'Download the file again, or save it with a recent version of the library that made it.',
          details: { file, reason },
          cause,
        },
      )
    }
  }

  /** Number of tokens, added ones included. The model's embedding may have more rows, and ids need not be dense. */
  get vocabSize(): number {
    return this.hub.getVocabSize(true)
  }

  /** Ids of one text. */
  async encode(text: string, options: EncodeOptions = {}): Promise<Int32Array> {
    const settings = encodeSettings('encode', options)
    refuseStretch(textOption('encode: text', text))
    const encoding = await this.coded(() => this.hub.encode(text, null, settings))
    return new Int32Array(encoding.getIds())
  }

  /** Ids of many texts, in order. They go to the library in slices, so that the event loop turns in between. */
  async encodeBatch(texts: readonly string[], options: EncodeOptions = {}): Promise<Int32Array[]> {
    const settings = encodeSettings('encodeBatch', options)
    textsOption('encodeBatch: texts', texts).forEach(refuseStretch)
    const rows: Int32Array[] = []
    for (const slice of slicesOf(texts)) {
      const encodings = await this.coded(() => this.hub.encodeBatch(slice, settings))
      await this.ownTurn(() => {
        for (const encoding of encodings) rows.push(new Int32Array(encoding.getIds()))
      })
    }
    return rows
  }

  /** Does some work in a turn of the event loop of its own: what several calls get back at once does not add up. */
  private async ownTurn(work: () => void): Promise<void> {
    const turn = this.lastTurn.then(pause)
    this.lastTurn = turn
    await turn
    work()
  }

  /**
   * Ids of a text that a model is to go on with: what the post-processor puts before a text, but not twice when the
   * text begins with it already (a rendered chat template often does), and never what it puts after one.
   */
  async encodePrompt(text: string): Promise<Int32Array> {
    const [ids] = await this.encodePrompts([text])
    return ids!
  }

  /** The same of many texts, in order. */
  async encodePrompts(texts: readonly string[]): Promise<Int32Array[]> {
    const { prefix } = await this.addedAround()
    const rows = await this.encodeBatch(texts, { addSpecialTokens: false })
    const there = (ids: Int32Array) => prefix.every((id, i) => ids[i] === id)
    return rows.map((ids) => (there(ids) ? ids : Int32Array.from([...prefix, ...ids])))
  }

  /** The ids that the post-processor puts before and after a text. */
  addedAround(): Promise<{ prefix: number[]; suffix: number[] }> {
    this.affixes ??= this.probeAffixes()
    return this.affixes
  }

  /** Text of the ids. */
  async decode(ids: ArrayLike<number>, options: DecodeOptions = {}): Promise<string> {
    checkOptions('decode', options, { skipSpecialTokens: 'flag' })
    const row = Array.from(int32Row('decode: ids', ids))
    return this.coded(() => this.hub.decode(row, options.skipSpecialTokens ?? true))
  }

  /** As decode, on this thread at once: for a few ids. */
  decodeNow(ids: readonly number[], skipSpecialTokens: boolean): string {
    const tokens: string[] = []
    for (const id of ids) {
      const token = this.idToToken(id)
      if (token !== undefined && !(skipSpecialTokens && this.specialIds.has(id))) tokens.push(token)
    }
    return this.decoder === null ? tokens.join(' ') : this.decoder.decode(tokens)
  }

  /** A decoder for ids that come one by one. */
  stream(options?: StreamDecoderOptions): StreamDecoder {
    return new StreamDecoder(this, options)
  }

  tokenToId(token: string): number | undefined {
    return this.hub.tokenToId(textOption('tokenToId: token', token)) ?? undefined
  }

  idToToken(id: number): string | undefined {
    if (!Number.isInteger(id)) throw refused('idToToken: id', 'a token id, a whole number', id)
    return id < this.idCount ? (this.hub.idToToken(id) ?? undefined) : undefined // larger ones would be cut to 32 bits
  }

  isSpecialToken(id: number): boolean {
    return this.specialIds.has(id)
  }

  /** All tokens with their ids, added ones included. */
  vocabulary(): Map<string, number> {
    const vocabulary = new Map(Object.entries(this.hub.getVocab(true)))
    // The library hands over a plain object, which cannot hold a key of this name.
    const lost = this.hub.tokenToId('__proto__')
    if (lost !== null) vocabulary.set('__proto__', lost)
    return vocabulary
  }

  /** What the library says, e.g. of a word that is not in the vocabulary, as ERR_TOKENIZER. */
  private async coded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      throw new TongueforgeError('ERR_TOKENIZER', `${this.file}: ${(cause as Error).message}`, {
        hint: 'Does tokenizer.json belong to this text, and does it name a token for unknown words?',
        details: { file: this.file },
        cause,
      })
    }
  }

  private async probeAffixes() {
    const [plain, full] = await Promise.all(
      [false, true].map((addSpecialTokens) => this.encode('a', { addSpecialTokens })),
    )
    const count = full!.length - plain!.length
    let start = 0
    while (start < count && !plain!.every((id, i) => full![start + i] === id)) start++
    return { prefix: [...full!.slice(0, start)], suffix: [...full!.slice(start + plain!.length)] }
  }
}

/**
 * The library's regular expressions give up after ten million tries, and end the process: patterns of published tokenizers
 * take one or two for each character of a stretch of blanks, or of what is none.
 */
const MAX_STRETCH = 4 * 2 ** 20

function refuseStretch(text: string): void {
  if (text.length <= MAX_STRETCH) return
  for (const { length } of text.match(/\s+|\S+/g) ?? [])
    if (length > MAX_STRETCH)
      throw new TongueforgeError(
        'ERR_DATA',
        `expected a text with a blank, or something else, every ${MAX_STRETCH} characters, received a stretch of ${length}`,
        { hint: 'Is it text? Break its lines, or leave it out.', details: { length, limit: MAX_STRETCH } },
      )
}

function encodeSettings(call: string, options: EncodeOptions): { addSpecialTokens: boolean } {
  checkOptions(call, options, { addSpecialTokens: 'flag' })
  return { addSpecialTokens: options.addSpecialTokens ?? true }
}

/** With the ids that the library has given them, which numbers on where a file leaves a gap. */
function addedTokens(content: { added_tokens?: AddedToken[] }, hub: HubTokenizer): AddedToken[] {
  return (content.added_tokens ?? []).map(({ id, content: text, special }) => ({
    id: hub.tokenToId(text) ?? id,
    content: text,
    special,
  }))
}

/** `vocab` as tokenizer.json has it: ids by token, or tokens in the order of their ids. */
function idCountOf(vocab: Record<string, number> | unknown[], added: readonly AddedToken[]): number {
  let count = Array.isArray(vocab) ? vocab.length : 0
  const ids: number[] = Array.isArray(vocab) ? [] : Object.values(vocab)
  for (const id of ids) count = Math.max(count, id + 1)
  for (const { id } of added) count = Math.max(count, id + 1)
  return count
}

function* slicesOf(texts: readonly string[]): Generator<string[]> {
  let slice: string[] = []
  let characters = 0
  for (const text of texts) {
    if (slice.length > 0 && characters + text.length > SLICE_CHARACTERS) {
      yield slice
      slice = []
      characters = 0
    }
    slice.push(text)
    characters += text.length
  }
  if (slice.length > 0) yield slice
}

async function missingFile(folder: string): Promise<TongueforgeError> {
  const exists = (name: string) =>
    access(join(folder, name)).then(
      () => true,
      () => false,
    )
  const sentencePiece = await exists('tokenizer.model')
  const found = sentencePiece ? 'only tokenizer.model' : 'none'
  return new TongueforgeError('ERR_TOKENIZER', `${folder}: expected tokenizer.json, found ${found}`, {
    hint: sentencePiece
      ? 'Convert it once with Python: from transformers import AutoTokenizer; ' +
        'AutoTokenizer.from_pretrained("FOLDER").save_pretrained("FOLDER")'
      : 'Copy tokenizer.json (and tokenizer_config.json) of the original model into the folder.',
    details: { path: folder, found },
  })
}
