/** tokenizer.json of a byte-pair tokenizer, opened to be extended: new tokens and merges go behind the old ones. */
import type { JsonObject } from '../../checkpoint/json_file'
import { TongueforgeError } from '../../errors'
import { addedEntry, type NewSpecialToken } from '../special_tokens'
import { type BpeModel, tokenizerJson } from './tokenizer_json'
import type { Pretokenization } from './word_counts'

/** A token that is to be learnt: `parts` are the two tokens it is merged from, absent for a single character. */
export interface NewToken {
  text: string
  parts?: readonly [left: string, right: string]
}

interface AddedTokenEntry {
  id: number
  content: string
}

type Merge = BpeModel['merges'][number]

interface OpenedModel extends BpeModel {
  vocab: Record<string, number>
}

/** Pieces of a tokenizer that stand around its model. */
const AROUND = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder', 'truncation', 'padding'] as const

export class BpeFile {
  /** Of the model alone; added tokens may stand here too. */
  readonly vocabulary: ReadonlyMap<string, number>
  /** Id of the first token that would be added. */
  readonly size: number
  private readonly content: JsonObject
  private readonly model: OpenedModel
  private readonly added: AddedTokenEntry[]

  /** `text` is the content of tokenizer.json. Throws ERR_TOKENIZER for a model that is no BPE we can go on from. */
  constructor(text: string, file = 'tokenizer.json') {
    this.content = JSON.parse(text) as JsonObject
    this.model = checkModel(this.content.model as JsonObject | undefined, file)
    this.added = (this.content.added_tokens ?? []) as AddedTokenEntry[]
    this.vocabulary = new Map(Object.entries(this.model.vocab))
    const ids = [...this.vocabulary.values(), ...this.added.map(({ id }) => id)]
    this.size = ids.reduce((most, id) => Math.max(most, id + 1), 0)
  }

  /** Whether a text is a token already, of the model or added. */
  has(token: string): boolean {
    return this.vocabulary.has(token) || this.added.some(({ content }) => content === token)
  }

  /** Bytes stand in for characters that have no token. */
  get byteFallback(): boolean {
    return this.model.byte_fallback === true && this.vocabulary.has('<0x00>')
  }

  /** How text is cut into words. */
  pretokenization(): Pretokenization {
    const { normalizer = null, pre_tokenizer = null } = this.content
    return { normalizer, pre_tokenizer } as Pretokenization
  }

  /** Text of every id, of added tokens too; nothing for an id that no token has. */
  texts(): string[] {
    const texts = new Array<string>(this.size).fill('')
    for (const { content, id } of this.added) texts[id] = content
    for (const [token, id] of this.vocabulary) texts[id] = token
    return texts
  }

  /**
   * Ids that stand for no text that a merge could make use of: bytes of byte fallback, the unknown token, and added
   * tokens.
   */
  barriers(): Set<number> {
    const ids = new Set(this.added.map(({ id }) => id))
    const unknown = this.vocabulary.get(String(this.model.unk_token))
    if (unknown !== undefined) ids.add(unknown)
    if (this.model.byte_fallback === true)
      for (const [token, id] of this.vocabulary) if (/^<0x[0-9A-F]{2}>$/.test(token)) ids.add(id)
    return ids
  }

  /**
   * tokenizer.json of the model alone, with `characters` from id `size` on: it encodes one pre-tokenized word, and adds
   * nothing to it.
   */
  bareModel(characters: readonly string[] = []): string {
    const around = Object.fromEntries(AROUND.map((key) => [key, null]))
    const bare = { ...this.content, ...around, added_tokens: [] }
    const vocabulary = new Map(this.vocabulary)
    for (const [i, character] of characters.entries()) vocabulary.set(character, this.size + i)
    return tokenizerJson(bare, { ...this.model, dropout: null }, vocabulary)
  }

  /**
   * tokenizer.json with more tokens: special ones with their ids, then `learnt` from id `size + special.length` on.
   * Whoever reads the file gives added tokens that the model does not know ids behind the model's, so all of them are
   * written into the model's vocabulary as well, where they keep theirs.
   */
  extended(special: readonly NewSpecialToken[], learnt: readonly NewToken[]): string {
    const vocabulary = new Map(this.vocabulary)
    for (const { content, id } of [...this.added, ...special]) vocabulary.set(content, id)
    const first = this.size + special.length
    for (const [i, { text }] of learnt.entries()) vocabulary.set(text, first + i)
    const merges = learnt.flatMap(({ parts }) => (parts ? [[...parts] as [string, string]] : []))
    const content = { ...this.content, added_tokens: [...this.added, ...special.map(addedEntry)] }
    return tokenizerJson(content, { ...this.model, merges: joined(this.model.merges, merges) }, vocabulary)
  }
}

/** Merges stand as `"a b"` in older files and as `["a", "b"]` in newer ones, which tokens with spaces need. */
function joined(old: readonly Merge[], more: readonly [string, string][]): Merge[] {
  const asText = typeof old[0] === 'string' && !more.some((pair) => pair.join('').includes(' '))
  if (asText) return [...old, ...more.map((pair) => pair.join(' '))]
  const pair = (merge: Merge): Merge =>
    typeof merge === 'string' ? (merge.split(' ') as [string, string]) : merge
  return [...old.map(pair), ...more]
}

function checkModel(model: JsonObject | undefined, file: string): OpenedModel {
  const type = model?.type ?? (Array.isArray(model?.merges) ? 'BPE' : 'nothing')
  if (type !== 'BPE')
    throw refused(file, 'model.type', `expected BPE, received ${type}`, hintFor(String(type)))
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix']) {
    const value = model?.[key]
    if (value != null && value !== '')
      throw refused(file, `model.${key}`, `expected none, received ${JSON.stringify(value)}`, MARKED_HINT)
  }
  return model as OpenedModel
}

const MARKED_HINT =
  'Merges that mark the middle or the end of a word cannot be continued here. Llama, Mistral and Qwen have none.'

function hintFor(type: string): string {
  return type === 'Unigram'
    ? 'A Unigram tokenizer (T5, XLM-R, ALBERT) has scores instead of merges: new pieces would change how old text is cut.'
    : 'Only byte-pair tokenizers can be extended: Llama, Mistral, Qwen, GPT-2 and their like.'
}

function refused(file: string, key: string, problem: string, hint: string): TongueforgeError {
  return new TongueforgeError('ERR_TOKENIZER', `${file}: ${key}: ${problem}`, {
    hint,
    details: { file, key },
  })
}
