/**
 * Text as Python handles it, where JavaScript differs: white space, lengths, capital letters. Scores that are to be those
 * of a Python program depend on each of these.
 */
import { charactersIn } from './characters'

/** Inside the brackets of a regular expression, what Python calls white space: U+001C to U+001F and U+0085 too, no U+FEFF. */
export const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'

/** The same characters as a text. */
export const SPACES: string = Array.from({ length: 0x3001 }, (_, code) => String.fromCharCode(code))
  .filter((character) => new RegExp(`[${SPACE}]`).test(character))
  .join('')

const LEADING = new RegExp(`^[${SPACE}]+`)
const TRAILING = new RegExp(`[${SPACE}]$`)
const RUNS = new RegExp(`[${SPACE}]+`, 'g')

/** `text.rstrip()` */
export function rstrip(text: string): string {
  // A pattern that looks for many at the end takes square time where many stand elsewhere.
  let end = text.length
  while (end > 0 && TRAILING.test(text[end - 1]!)) end--
  return text.slice(0, end)
}

/** `text.strip()` */
export const strip = (text: string): string => rstrip(text.replace(LEADING, ''))

/** `text[0].isspace()`, and the same of the last. */
export const beginsWithSpace = (text: string): boolean => LEADING.test(text)
export const endsWithSpace = (text: string): boolean => TRAILING.test(text)

/** `len(text)`: code points. */
export const length: (text: string) => number = charactersIn

/** `len(text.encode('utf-8'))` */
export const bytes = (text: string): number => Buffer.byteLength(text)

/** `len(re.split(r'\s+', text))`: white space at an edge counts an empty word. */
export const words = (text: string): number => (text.match(RUNS)?.length ?? 0) + 1

/** The digraphs with a title case of their own; other letters of several capitals keep the first. */
const TITLES: Readonly<Record<string, string>> = {
  Ǆ: 'ǅ',
  ǅ: 'ǅ',
  ǆ: 'ǅ',
  Ǉ: 'ǈ',
  ǈ: 'ǈ',
  ǉ: 'ǈ',
  Ǌ: 'ǋ',
  ǋ: 'ǋ',
  ǌ: 'ǋ',
  Ǳ: 'ǲ',
  ǲ: 'ǲ',
  ǳ: 'ǲ',
}

/** `text.capitalize()`: the first character as a title has it, all others small. */
export function capitalize(text: string): string {
  const first = String.fromCodePoint(text.codePointAt(0) ?? 0)
  if (text === '') return text
  // The whole is made small at once: a small sigma depends on its neighbours.
  return titled(first) + text.toLowerCase().slice(first.toLowerCase().length)
}

function titled(character: string): string {
  const capitals = [...character.toUpperCase()]
  const first = capitals.findIndex((one) => one.toLowerCase() !== one) + 1
  return TITLES[character] ?? capitals.slice(0, first).join('') + capitals.slice(first).join('').toLowerCase()
}

/** `text.title()`: each run of letters by itself. */
export const title = (text: string): string => text.replace(/\p{Cased}+/gu, capitalize)

/** The filter `title` of Jinja: words, which begin behind blanks, dashes and opening brackets alone. */
export const titleWords = (text: string): string =>
  text.replace(WORDS, (word) => {
    const first = String.fromCodePoint(word.codePointAt(0)!)
    return first.toUpperCase() + word.slice(first.length).toLowerCase()
  })

const WORDS = new RegExp(`[^-({\\[<${SPACE}]+`, 'g')

/** `text[0].lower() + text[1:]` */
export function lowerFirst(text: string): string {
  const [first = ''] = text
  return first.toLowerCase() + text.slice(first.length)
}

/** `text[:-1]`: without the last character. */
export const withoutLast = (text: string): string => [...text].slice(0, -1).join('')
