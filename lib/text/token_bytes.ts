/** What single tokens stand for: text, or bytes that are a part of a character. */
import type { Tokenizer } from './tokenizer'

export interface TokenText {
  /** The text; of bytes that are none by themselves `bytes:\xe4\xbd`, as in OpenAI's API. */
  token: string
  /** UTF-8. Those of all tokens of a text, in a row, are the text. */
  bytes: number[]
}

const REPLACEMENT = '\uFFFD'
const BYTE_TOKEN = /^<0x([0-9A-F]{2})>$/

const known = new WeakMap<Tokenizer, Map<number, TokenText>>()

/** The same object for the same token. */
export function tokenText(tokenizer: Tokenizer, id: number): TokenText {
  const texts = known.get(tokenizer) ?? new Map<number, TokenText>()
  if (texts.size === 0) known.set(tokenizer, texts)
  const text = texts.get(id) ?? readToken(tokenizer, id)
  texts.set(id, text)
  return text
}

function readToken(tokenizer: Tokenizer, id: number): TokenText {
  const piece = tokenizer.idToToken(id)
  if (piece === undefined) return { token: '', bytes: [] } // a row of the embedding without a token
  // Behind itself a token keeps the space that it begins with.
  const decoder = tokenizer.stream({ context: [id], skipSpecialTokens: false })
  const text = decoder.push(id) + decoder.flush()
  if (!text.includes(REPLACEMENT)) return { token: text, bytes: [...Buffer.from(text)] }
  const bytes = bytesOf(piece)
  return bytes ? { token: shown(bytes), bytes } : { token: text, bytes: [...Buffer.from(text)] }
}

/** Of a piece in the alphabets of byte-fallback and of byte-level tokenizers; undefined for other pieces. */
function bytesOf(piece: string): number[] | undefined {
  const [, hexadecimal] = BYTE_TOKEN.exec(piece) ?? []
  if (hexadecimal) return [Number.parseInt(hexadecimal, 16)]
  const bytes = [...piece].map((letter) => BYTE_OF.get(letter))
  return bytes.every((byte) => byte !== undefined) ? bytes : undefined
}

const shown = (bytes: readonly number[]) =>
  `bytes:${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`

/** GPT-2's letters for bytes: those that print stand for themselves, the others for letters from U+0100 on. */
const BYTE_OF: ReadonlyMap<string, number> = (() => {
  const prints = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
  let others = 0
  return new Map(
    Array.from({ length: 256 }, (_, byte) => [
      String.fromCodePoint(prints(byte) ? byte : 0x100 + others++),
      byte,
    ]),
  )
})()
