/** From texts to the ids that a model is asked about, cut where lm-evaluation-harness cuts them. */
import type { ModelFolder } from '../../checkpoint/model_folder'
import { TongueforgeError } from '../../errors'
import type { Pair } from '../../tasks/prompt'
import { rstrip } from '../../text/python_text'
import { Tokenizer } from '../../text/tokenizer'
import type { LikelihoodRequest } from '../model'

export interface EncoderOptions {
  /** Tokens that a model reads at most. */
  maxLength: number
  /** Whether special tokens are added; undefined: as the tokenizer does. */
  addBosToken?: boolean | undefined
}

/** What a text begins with where nothing stands before it. */
interface Prefix {
  id: number
  text: string
}

export class RequestEncoder {
  private constructor(
    private readonly tokenizer: Tokenizer,
    /** BOS, else EOS, as the tokenizer's files name it; undefined for a tokenizer without both. */
    private readonly prefix: Prefix | undefined,
    private readonly options: EncoderOptions,
  ) {}

  /** Throws ERR_TOKENIZER. */
  static async open(folder: ModelFolder, options: EncoderOptions): Promise<RequestEncoder> {
    const tokenizer = await Tokenizer.load(folder.path)
    const { bos_token, eos_token } = folder.tokenizer.specialTokens
    const text = bos_token ?? eos_token
    const id = text === undefined ? undefined : tokenizer.tokenToId(text)
    return new RequestEncoder(tokenizer, id === undefined ? undefined : { id, text: text! }, options)
  }

  /** A request a pair. Throws ERR_DATA for a continuation that is empty or longer than the model reads. */
  async pairs(pairs: readonly Pair[]): Promise<LikelihoodRequest[]> {
    const moved = pairs.map(withBlanksMoved)
    const contexts = [...new Set(moved.map(({ context }) => context).filter((context) => context !== ''))]
    const ofContexts = await this.encode(contexts)
    const lengths = new Map(contexts.map((context, i) => [context, ofContexts[i]!.length]))
    const wholes = await this.encode(
      moved.map(({ context, continuation }) => context + continuation),
      (i) => (moved[i]!.context === '' ? false : undefined),
    )
    return moved.map(({ context, continuation }, i) =>
      context === ''
        ? this.alone(wholes[i]!, continuation)
        : this.request(wholes[i]!, lengths.get(context)!, continuation),
    )
  }

  /** Windows over a whole text; each token is foretold once, with as much before it as there is room for. */
  async windows(text: string): Promise<LikelihoodRequest[]> {
    const [ids] = await this.encode([text])
    return rollingWindows(ids!, this.prefixId(), this.options.maxLength)
  }

  // BOS or EOS is what an answer without a context follows; its own, where it begins with it.
  private alone(ids: Int32Array, continuation: string): LikelihoodRequest {
    const prefix = this.prefixId()
    const row = ids[0] === prefix ? ids : Int32Array.from([prefix, ...ids])
    return this.request(row, 1, continuation)
  }

  private request(ids: Int32Array, contextLength: number, continuation: string): LikelihoodRequest {
    const { maxLength } = this.options
    const targets = ids.length - contextLength
    if (contextLength < 1 || targets < 1 || targets > maxLength)
      throw new TongueforgeError(
        'ERR_DATA',
        `Expected a context, and an answer of 1 to ${maxLength} tokens behind it, received ${contextLength} and ${Math.max(targets, 0)} tokens for ${JSON.stringify(continuation.slice(0, 60))}`,
        {
          hint: 'An answer has to add a token to the question: is it empty, or one word with what stands before it?',
        },
      )
    // The model does not read the last one.
    const kept = ids.subarray(Math.max(0, ids.length - maxLength - 1))
    return { ids: kept, firstTarget: kept.length - targets }
  }

  private prefixId(): number {
    if (this.prefix !== undefined) return this.prefix.id
    throw new TongueforgeError(
      'ERR_TOKENIZER',
      'Expected a bos_token or eos_token in tokenizer_config.json, found none',
      { hint: 'A text without a context begins with one of them; name it as the original model does.' },
    )
  }

  /** `adds`: of each text, whether special tokens are added; undefined: as a rule, but not before a BOS that is there. */
  private async encode(
    texts: readonly string[],
    adds: (i: number) => boolean | undefined = () => undefined,
  ): Promise<Int32Array[]> {
    const rows = new Array<Int32Array>(texts.length)
    const given = this.prefix?.text
    const adding = (text: string, i: number) =>
      adds(i) ?? (given !== undefined && text.startsWith(given) ? false : (this.options.addBosToken ?? true))
    for (const addSpecialTokens of [true, false]) {
      const places = texts.flatMap((text, i) => (adding(text, i) === addSpecialTokens ? [i] : []))
      const some = places.map((i) => texts[i]!)
      const encoded = await this.tokenizer.encodeBatch(some, { addSpecialTokens })
      for (const [j, place] of places.entries()) rows[place] = encoded[j]!
    }
    return rows
  }
}

/** A blank belongs to the word behind it: what a context ends with moves into the continuation. */
function withBlanksMoved({ context, continuation }: Pair): Pair {
  const kept = rstrip(context)
  return { context: kept, continuation: context.slice(kept.length) + continuation }
}

/**
 * Windows of `maxLength` tokens that do not overlap in what they foretell. The first follows the prefix, full ones the
 * last token before them, and the last one as many as there is room for.
 */
export function rollingWindows(ids: Int32Array, prefix: number, maxLength: number): LikelihoodRequest[] {
  const requests: LikelihoodRequest[] = []
  for (let begin = 0; begin < ids.length; begin += maxLength) {
    const end = Math.min(begin + maxLength, ids.length)
    const from = Math.max(end - maxLength - 1, 0)
    requests.push(
      begin === 0
        ? { ids: Int32Array.from([prefix, ...ids.subarray(0, end)]), firstTarget: 1 }
        : { ids: ids.subarray(from, end), firstTarget: begin - from },
    )
  }
  return requests
}
