/** How words are said: a file with a word and its phones a line, as cmudict has them. */
import { readTextFile } from '../checkpoint/json_file'
import { TongueforgeError } from '../errors'

export type Lexicon = ReadonlyMap<string, readonly string[]>

const MAX_BYTES = 1 << 28
const COMMENT = /^(;;;|##)/

/**
 * Of each word the pronunciation that stands first; others of its are written word(2). Throws ERR_NOT_FOUND, ERR_DATA with
 * file:line for a word without phones.
 */
export async function readLexicon(file: string): Promise<Lexicon> {
  const text = await readTextFile(file, { code: 'ERR_DATA', maxBytes: MAX_BYTES })
  const words = new Map<string, string[]>()
  for (const [i, row] of text.split('\n').entries()) {
    if (row.trim() === '' || COMMENT.test(row)) continue
    const [word, ...phones] = row.trim().split(/\s+/)
    if (phones.length === 0) throw noPhones(file, i + 1, word!)
    if (!words.has(word!)) words.set(word!, phones)
  }
  return words
}

/** The phones of words, one after the other; capitals do not matter where a word is not there as it stands. */
export function phonesOf(words: readonly string[], lexicon: Lexicon): string[] | { missing: string } {
  const phones: string[] = []
  for (const word of words) {
    const found = lexicon.get(word) ?? lexicon.get(word.toLowerCase()) ?? lexicon.get(word.toUpperCase())
    if (!found) return { missing: word }
    phones.push(...found)
  }
  return phones
}

const noPhones = (file: string, line: number, word: string) =>
  new TongueforgeError(
    'ERR_DATA',
    `${file}:${line}: expected a word and its phones, received ${word} alone`,
    {
      hint: 'A line is like: seven S EH V AH N',
      details: { file, line },
    },
  )
