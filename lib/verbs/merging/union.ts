/** The tokenizer that has the tokens of several: the first one's file, and behind its tokens those that it lacks. */
import type { JsonObject } from '../../checkpoint/json_file'
import { TongueforgeError } from '../../errors'
import { sameSpelling, spellingOf } from '../../text/alignment/spelling'
import { tokenizerJson } from '../../text/bpe/tokenizer_json'
import { Tokenizer } from '../../text/tokenizer'

/** A tokenizer.json; `file` is named in errors. */
export interface TokenizerText {
  json: string
  file: string
}

interface AddedEntry extends JsonObject {
  id: number
  content: string
  special?: boolean
}
type Merge = string | [string, string]
interface Content extends JsonObject {
  added_tokens?: AddedEntry[]
  model: JsonObject & { type?: string; vocab: Record<string, number> | [string, number][]; merges?: Merge[] }
}

export interface UnionTokenizer {
  json: string
  ids: ReadonlyMap<string, number>
  /** Added tokens that the first one lacked. */
  added: { id: number; content: string; special: boolean }[]
}

/**
 * Ids of the first tokenizer stay; missing tokens get the next ones, tokenizer by tokenizer in the order of their ids,
 * and the merges of byte-pair tokenizers follow in their order. Throws ERR_VOCABULARY where kinds differ.
 */
export function unionTokenizer([first, ...others]: readonly TokenizerText[]): UnionTokenizer {
  const content = JSON.parse(first!.json) as Content
  const ids = Tokenizer.fromJson(first!.json, first!.file).vocabulary()
  const union = new Union(content, ids)
  for (const other of others) union.take(other, first!)
  const json = union.changed ? union.text() : first!.json
  checkIds(json, first!.file, ids)
  return { json, ids, added: union.added }
}

class Union {
  readonly added: UnionTokenizer['added'] = []
  changed = false
  private readonly entries: AddedEntry[]
  private readonly merges: Merge[]
  private next: number

  constructor(
    private readonly content: Content,
    private readonly ids: Map<string, number>,
  ) {
    this.entries = [...(content.added_tokens ?? [])]
    this.merges = [...(content.model.merges ?? [])]
    this.next = 1 + Math.max(-1, ...[...ids.values()].map(Number))
  }

  take({ json, file }: TokenizerText, first: TokenizerText): void {
    const other = JSON.parse(json) as Content
    const flags = new Map((other.added_tokens ?? []).map((entry) => [entry.content, entry]))
    const theirs = [...Tokenizer.fromJson(json, file).vocabulary()].sort((a, b) => a[1] - b[1])
    const missing = theirs.filter(([token]) => !this.ids.has(token))
    if (missing.length === 0) return
    this.changed = true
    const plain = missing.filter(([token]) => !flags.has(token))
    if (plain.length > 0) this.checkKind(other, { json, file }, first)
    for (const [token] of missing) {
      const id = this.next++
      this.ids.set(token, id)
      const entry = flags.get(token)
      if (entry === undefined) continue
      this.entries.push({ ...entry, id })
      this.added.push({ id, content: token, special: entry.special ?? false })
    }
    if (plain.length > 0) this.takeMerges(other)
  }

  text(): string {
    const { model, ...rest } = this.content
    const around = { ...rest, added_tokens: this.entries }
    // A list of pieces with scores stays as it is: only added tokens have come.
    if (Array.isArray(model.vocab)) return `${JSON.stringify({ ...around, model }, null, 2)}\n`
    return tokenizerJson(around, { ...model, ...(model.merges && { merges: this.merges }) }, this.ids)
  }

  private takeMerges({ model }: Content): void {
    const there = new Set(this.merges.map(pairText))
    const asText = typeof this.merges[0] === 'string'
    for (const merge of model.merges ?? []) {
      const pair = pairText(merge)
      if (there.has(pair)) continue
      there.add(pair)
      this.merges.push(asText ? pair : pairOf(merge))
    }
  }

  private checkKind(other: Content, { file }: TokenizerText, first: TokenizerText): void {
    const [ours, theirs] = [this.content.model, other.model]
    const same = ours.type === theirs.type && sameSpelling(spellingOf(this.content), spellingOf(other))
    if (same && !Array.isArray(ours.vocab)) return
    throw new TongueforgeError(
      'ERR_VOCABULARY',
      `Expected tokenizers of one kind and spelling, with their tokens in a table, received ${ours.type} (${first.file}) and ` +
        `${theirs.type} (${file})`,
      {
        hint: 'Take the tokenizer of one model: tokenizer: {source: base}, or its folder.',
        details: { file, first: first.file },
      },
    )
  }
}

const pairOf = (merge: Merge): [string, string] =>
  typeof merge === 'string' ? (merge.split(' ') as [string, string]) : merge
const pairText = (merge: Merge) => (typeof merge === 'string' ? merge : merge.join(' '))

// What was written is read again: a file that gives a token another id would mix up rows.
function checkIds(json: string, file: string, ids: ReadonlyMap<string, number>): void {
  const written = Tokenizer.fromJson(json, file).vocabulary()
  const wrong = [...ids].find(([token, id]) => written.get(token) !== id)
  if (wrong === undefined && written.size === ids.size) return
  throw new TongueforgeError(
    'ERR_VOCABULARY',
    `Expected a tokenizer with the tokens of all models; ${JSON.stringify(wrong?.[0])} does not come out with its id`,
    {
      hint: 'Take the tokenizer of one model: tokenizer: {source: base}, or its folder.',
      details: { file, token: wrong?.[0] },
    },
  )
}
