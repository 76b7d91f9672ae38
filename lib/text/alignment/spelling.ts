/**
 * How the tokens of a tokenizer.json are written: ` the` is `Ġthe` in GPT-2's alphabet and `▁the` in SentencePiece's.
 * Read as bytes, tokens of both can be compared.
 */
import type { JsonObject } from '../../checkpoint/json_file'

/**
 * `byte_level`: a character for each byte (Llama 3, Qwen). `sentence_piece`: a mark for the space, `<0x0A>` for a byte
 * (Llama 2, Mistral). `plain`: the text itself. `words`: word pieces and whole words, which do not say whether a space
 * stands before them, and so can only be compared with their like.
 */
export type SpellingKind = 'byte_level' | 'sentence_piece' | 'plain' | 'words'

export interface Spelling {
  kind: SpellingKind
  /** The mark for the space, of `sentence_piece`. */
  mark: string
  /** `<0x00>` to `<0xFF>` are bytes. */
  byteFallback: boolean
}

const BYTE_PIECE = /^<0x[0-9A-F]{2}>$/
/** How many bytes GPT-2's alphabet leaves as the characters that they are. */
const PRINTABLE = 188

/** Reads it off the parsed tokenizer.json. */
export function spellingOf(content: JsonObject): Spelling {
  const { normalizer, pre_tokenizer, decoder } = content
  const steps = [normalizer, pre_tokenizer, decoder].flatMap(stepsOf)
  const model = (content.model ?? {}) as JsonObject
  const has = (type: string) => steps.some((step) => step.type === type)
  const byteFallback = model.byte_fallback === true || has('ByteFallback')
  const mark = steps.map(markOf).find((found) => found !== undefined)
  const kind = (): SpellingKind => {
    if (marksWords(model)) return 'words'
    if (has('ByteLevel')) return 'byte_level'
    if (mark !== undefined || byteFallback) return 'sentence_piece'
    return model.type === 'WordLevel' ? 'words' : 'plain'
  }
  return { kind: kind(), mark: mark ?? '▁', byteFallback }
}

/** The steps of a normalizer, pre_tokenizer or decoder, sequences taken apart. */
function stepsOf(step: unknown): JsonObject[] {
  if (typeof step !== 'object' || step === null) return []
  const { normalizers, pretokenizers, decoders } = step as JsonObject
  const inner = [normalizers, pretokenizers, decoders].find(Array.isArray) as unknown[] | undefined
  return inner ? inner.flatMap(stepsOf) : [step as JsonObject]
}

/** The character that a step puts in the place of a space, or turns back into one. */
function markOf({ type, replacement, pattern, content }: JsonObject): string | undefined {
  if (type === 'Metaspace') return typeof replacement === 'string' ? replacement : '▁'
  if (type !== 'Replace') return undefined
  const from = (pattern as JsonObject | undefined)?.String
  const pair = from === ' ' ? content : content === ' ' ? from : undefined
  return pair === '▁' ? '▁' : undefined
}

function marksWords({ type, continuing_subword_prefix, end_of_word_suffix }: JsonObject): boolean {
  return type === 'WordPiece' || [continuing_subword_prefix, end_of_word_suffix].some(Boolean)
}

/** Whether two vocabularies write the same text as the same token. */
export const sameSpelling = (a: Spelling, b: Spelling) =>
  a.kind === b.kind && a.mark === b.mark && a.byteFallback === b.byteFallback

/** Whether `token` is one of SentencePiece's pieces for a byte. */
export const isBytePiece = (token: string, { kind, byteFallback }: Spelling) =>
  kind === 'sentence_piece' && byteFallback && BYTE_PIECE.test(token)

/**
 * What a token means, a character of Latin-1 for each byte of UTF-8; undefined for `words`. A byte-level token with a
 * character that stands for no byte is the text that it is, as decoders take it.
 */
export function bytesOf(token: string, spelling: Spelling): string | undefined {
  const { kind, mark } = spelling
  if (kind === 'words') return undefined
  if (isBytePiece(token, spelling)) return String.fromCharCode(Number.parseInt(token.slice(3, 5), 16))
  if (kind === 'sentence_piece') return utf8(token.replaceAll(mark, ' '))
  return (kind === 'byte_level' && fromAlphabet(token)) || utf8(token)
}

const utf8 = (text: string) => Buffer.from(text, 'utf8').toString('latin1')

function fromAlphabet(token: string): string | undefined {
  let bytes = ''
  for (const character of token) {
    const byte = BYTES.get(character)
    if (byte === undefined) return undefined
    bytes += byte
  }
  return bytes
}

/** GPT-2's alphabet: printable bytes are themselves, the others follow from U+0100 on in their order. */
const BYTES: ReadonlyMap<string, string> = new Map(
  Array.from({ length: 256 }, (_, byte) => byte)
    .sort((a, b) => Number(isPrintable(b)) - Number(isPrintable(a)) || a - b)
    .map((byte, i) => [
      String.fromCodePoint(isPrintable(byte) ? byte : 256 + i - PRINTABLE),
      String.fromCharCode(byte),
    ]),
)

function isPrintable(byte: number): boolean {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173)
}
