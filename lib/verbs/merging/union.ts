/** The tokenizer that has the tokens of several: the first one's file, and behind its tokens those that it lacks. */
import type { JsonObject } from '../../checkpoint/json_file'
import { TongueforgeError } from '../../errors'
import { sameSpelling } from '../../text/alignment/spelling'
import { type AddedEntry, Vocabulary } from '../../text/alignment/vocabulary'
import { tokenizerJson } from '../../text/bpe/tokenizer_json'
import { inSteps } from '../../text/pause'

type Merge = string | [string, string]
interface Content extends JsonObject {
  added_tokens?: JsonObject[]
  model: JsonObject & { type?: string; merges?: Merge[] }
}

export interface UnionTokenizer {
  /** The first one itself where it lacks nothing. */
  vocabulary: Vocabulary
  /** Added tokens that the first one lacked. */
  added: { id: number; content: string; special: boolean }[]
}

/**
 * Ids of the first tokenizer stay; missing tokens get the next ones, tokenizer by tokenizer in the order of their ids,
 * and the merges of byte-pair tokenizers follow in their order. Throws ERR_VOCABULARY where kinds differ.
 */
export async function unionTokenizer(vocabularies: readonly Vocabulary[]): Promise<UnionTokenizer> {
  const [first, ...others] = vocabularies
  const union = new Union(first!)
  for (const other of others) await union.take(other)
  if (!union.changed) return { vocabulary: first!, added: [] }
  const vocabulary = await Vocabulary.of(union.text(), first!.file)
  await checkIds(vocabulary, union.ids)
  return { vocabulary, added: union.added }
}

const contentOf = ({ json }: Vocabulary) => JSON.parse(json) as Content

class Union {
  readonly added: UnionTokenizer['added'] = []
  readonly ids: Map<string, number>
  private readonly content: Content
  private readonly entries: JsonObject[]
  private readonly merges: Merge[]
  private next: number

  constructor(private readonly first: Vocabulary) {
    this.content = contentOf(first)
    this.ids = new Map(first.ids)
    this.entries = [...(this.content.added_tokens ?? [])]
    this.merges = [...(this.content.model.merges ?? [])]
    this.next = first.size
  }

  get changed(): boolean {
    return this.ids.size > this.first.ids.size
  }

  async take(other: Vocabulary): Promise<void> {
    let plain = 0
    await inSteps(other.tokens.length, (from, to) => {
      for (const token of other.tokens.slice(from, to)) {
        if (token === undefined || this.ids.has(token)) continue
        const entry = other.added.get(token)
        if (entry === undefined) plain++
        this.add(token, entry)
      }
    })
    if (plain === 0) return
    const content = contentOf(other)
    this.checkKind(content, other)
    this.takeMerges(content)
  }

  text(): string {
    const { model, ...rest } = this.content
    const around = { ...rest, added_tokens: this.entries }
    // A list of pieces with scores stays as it is: only added tokens have come.
    if (Array.isArray(model.vocab)) return `${JSON.stringify({ ...around, model }, null, 2)}\n`
    return tokenizerJson(around, { ...model, ...(model.merges && { merges: this.merges }) }, this.ids)
  }

  private add(token: string, entry: AddedEntry | undefined): void {
    const id = this.next++
    this.ids.set(token, id)
    if (entry === undefined) return
    this.entries.push({ ...entry, id })
    this.added.push({ id, content: token, special: entry.special })
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

  private checkKind({ model: theirs }: Content, { file, spelling }: Vocabulary): void {
    const { model: ours } = this.content
    const same = ours.type === theirs.type && sameSpelling(this.first.spelling, spelling)
    if (same && !Array.isArray(ours.vocab)) return
    throw new TongueforgeError(
      'ERR_VOCABULARY',
      `Expected tokenizers of one kind and spelling, with their tokens in a table, received ${ours.type} ` +
        `(${this.first.file}) and ${theirs.type} (${file})`,
      { hint: INSTEAD, details: { file, first: this.first.file } },
    )
  }
}

const INSTEAD = 'Take the tokenizer of one model: tokenizer: {source: base}, or its folder.'

const pairOf = (merge: Merge): [string, string] =>
  typeof merge === 'string' ? (merge.split(' ') as [string, string]) : merge
const pairText = (merge: Merge) => (typeof merge === 'string' ? merge : merge.join(' '))

// What was written was read again: a file that gives a token another id would mix up rows.
async function checkIds(written: Vocabulary, ids: ReadonlyMap<string, number>): Promise<void> {
  const all = [...ids]
  let wrong: string | undefined
  await inSteps(all.length, (from, to) => {
    wrong ??= all.slice(from, to).find(([token, id]) => written.ids.get(token) !== id)?.[0]
  })
  if (wrong === undefined && written.ids.size === ids.size) return
  throw new TongueforgeError(
    'ERR_VOCABULARY',
    `Expected a tokenizer with the tokens of all models; ${JSON.stringify(wrong)} does not come out with its id`,
    { hint: INSTEAD, details: { file: written.file, token: wrong } },
  )
}
