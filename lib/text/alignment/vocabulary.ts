/** The tokens of a model by id and by text, to be compared with those of another model. */
import type { JsonObject } from '../../checkpoint/json_file'
import { TongueforgeError } from '../../errors'
import { inSteps } from '../pause'
import { Tokenizer } from '../tokenizer'
import { bytesOf, isBytePiece, type Spelling, sameSpelling, spellingOf } from './spelling'

/** An entry of added_tokens: its flags beside its content. */
export type AddedEntry = JsonObject & { content: string; special: boolean }

export class Vocabulary {
  /** Last id + 1. */
  readonly size: number
  /** By bytes, of all but added tokens; made when a vocabulary of another spelling asks. */
  private texts: Map<string, number> | undefined

  private constructor(
    /** The content of tokenizer.json. */
    readonly json: string,
    readonly file: string,
    readonly spelling: Spelling,
    /** Every token as it is written, by id; holes are undefined. */
    readonly tokens: readonly (string | undefined)[],
    readonly ids: ReadonlyMap<string, number>,
    readonly added: ReadonlyMap<string, AddedEntry>,
  ) {
    this.size = tokens.length
  }

  /**
   * Of the content of a tokenizer.json, with the ids that the library gives. Throws ERR_TOKENIZER for one that cannot
   * be read, in which two tokens have one id, or of an id beyond 16 million.
   */
  static async of(json: string, file = 'tokenizer.json'): Promise<Vocabulary> {
    const ids = Tokenizer.fromJson(json, file).vocabulary()
    const content = JSON.parse(json) as JsonObject
    const added = new Map(
      ((content.added_tokens ?? []) as AddedEntry[]).map((entry) => [entry.content, entry]),
    )
    const entries = [...ids]
    const tokens: (string | undefined)[] = []
    await inSteps(entries.length, (from, to) => {
      for (const [token, id] of entries.slice(from, to)) {
        const other = tokens[id]
        if (other !== undefined) throw oneId(file, id, other, token)
        tokens[id] = token
      }
    })
    return new Vocabulary(json, file, spellingOf(content), tokens, ids, added)
  }

  /** Whether every id means the same in both, so that rows need no looking up. */
  equals(other: Vocabulary): boolean {
    if (this === other || this.json === other.json) return true
    return (
      sameSpelling(this.spelling, other.spelling) &&
      this.ids.size === other.ids.size &&
      this.tokens.every((token, id) => token === undefined || other.tokens[id] === token) &&
      this.added.size === other.added.size &&
      [...this.added.keys()].every((token) => other.added.has(token))
    )
  }

  /**
   * The id of a token of another vocabulary here. Added tokens are found by their string among added tokens only:
   * `user` as a tag is not the word. All others are found as they are written, where both write alike, or else by
   * their bytes.
   */
  find(token: string, from: Vocabulary): number | undefined {
    const id = this.ids.get(token)
    if (from.added.has(token)) return this.added.has(token) ? id : undefined
    if (id !== undefined && !this.added.has(token) && sameSpelling(this.spelling, from.spelling)) return id
    const text = from.textOf(token)
    return text === undefined ? undefined : this.byText().get(text)
  }

  /** A token for people: as text where its bytes are some, else as it is written. */
  show(id: number): string {
    const token = this.tokens[id] ?? ''
    const bytes = this.added.has(token) ? undefined : bytesOf(token, this.spelling)
    if (bytes === undefined) return token
    const text = Buffer.from(bytes, 'latin1').toString('utf8')
    return text.includes('\ufffd') ? token : text
  }

  /** Bytes of an ordinary token; none of a piece for a byte that has a token of its own, which text never meets. */
  private textOf(token: string): string | undefined {
    const text = bytesOf(token, this.spelling)
    return isBytePiece(token, this.spelling) && this.byText().get(text!) !== this.ids.get(token)
      ? undefined
      : text
  }

  /** Where several tokens have the same bytes, the one that is no byte piece has them, then the one of the lowest id. */
  private byText(): Map<string, number> {
    if (this.texts) return this.texts
    this.texts = new Map<string, number>()
    for (const wantPieces of [false, true])
      for (const [id, token] of this.tokens.entries()) {
        if (token === undefined || this.added.has(token)) continue
        if (isBytePiece(token, this.spelling) !== wantPieces) continue
        const text = bytesOf(token, this.spelling)
        if (text !== undefined && !this.texts.has(text)) this.texts.set(text, id)
      }
    return this.texts
  }
}

function oneId(file: string, id: number, ...tokens: string[]): TongueforgeError {
  const both = tokens.map((token) => JSON.stringify(token))
  return new TongueforgeError(
    'ERR_TOKENIZER',
    `${file}: expected one token for id ${id}, found ${both.join(' and ')}`,
    {
      hint: 'Take tokenizer.json of the original model: which row is whose cannot be told from this one.',
      details: { file, id, tokens },
    },
  )
}
